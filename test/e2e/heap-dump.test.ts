import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Program } from '../../testkit/processes/program.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

/** All live objects in the heap of a process, as V8 dumps them, with the first kilobyte of long texts. */
async function heapOf(program: Program): Promise<string> {
  program.signal('SIGUSR2');
  return vi.waitFor(
    async () => {
      const [file = ''] = await readdir(fixture.folder);
      const text = await readFile(join(fixture.folder, file), 'utf8');
      JSON.parse(text);
      return text;
    },
    { timeout: 60_000, interval: 200 },
  );
}

it('a heap dump contains the access token of a session but neither its refresh token nor its ID token', async () => {
  const NODE_OPTIONS = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${fixture.folder}`;
  const program = await fixture.start({ env: { NODE_OPTIONS } });
  const ada = await fixture.signedIn(program);
  expect((await ada.fetch('/api/one')).status).toBe(200);
  expect((await ada.fetch('/auth/session')).status).toBe(200);

  const heap = await heapOf(program);
  const { provider } = fixture;
  const inHeap = (kind: 'access_token' | 'refresh_token' | 'id_token') =>
    provider.secrets([kind]).map((token) => heap.includes(token.slice(0, 1_000)));
  expect(inHeap('access_token')).toContain(true);
  expect(inHeap('refresh_token')).not.toContain(true);
  expect(inHeap('id_token')).not.toContain(true);
});
