import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createProofVerifier } from '../../testkit/dpop/proof-verifier.ts';
import { echo } from '../../testkit/upstream/behaviours.ts';
import { beginLogin } from '../../testkit/gateway/login-steps.ts';
import type { Program } from '../../testkit/processes/program.ts';
import { dpopKeysIn } from '../../testkit/secrets/dpop-keys.ts';
import { partsOfPrivateKey } from '../../testkit/secrets/private-keys.ts';
import { pem } from '../unit/config/keys.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

const dumpOnSignal = () => ({
  NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${fixture.folder}`,
});

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
  const program = await fixture.start({ env: dumpOnSignal() });
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

it('a heap dump contains the access token of a session with DPoP but not its private key, nor those of keys (standards: H4)', async () => {
  const { provider, upstream, redis } = fixture;
  provider.proofs = createProofVerifier();
  upstream.respond(echo);
  const config = { provider: { dpop: true }, keys: [{ key: pem('P-256') }] };
  const program = await fixture.start({ env: dumpOnSignal(), config });
  const ada = fixture.browser(program);
  const { authorizationUrl } = await beginLogin(ada);
  const keys = await dpopKeysIn([await redis.dump()], ada.received());
  expect(keys).toHaveLength(1);
  await ada.navigate(authorizationUrl.href);
  expect((await ada.fetch('/api/one')).status).toBe(200);
  const socket = await ada.websocket('/socket/live');

  const heap = await heapOf(program);
  const tokens = provider.secrets(['access_token']).map((token) => token.slice(0, 1_000));
  expect(tokens.map((token) => heap.includes(token))).toContain(true);
  const privateKeys = [...keys, ...partsOfPrivateKey(pem('P-256'))];
  expect(privateKeys.filter((key) => heap.includes(key))).toEqual([]);
  socket.close();
});
