import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startChildProcess } from '../../testkit/processes/child-process.ts';
import { minimal } from '../unit/config/sample.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const PAGE = new URL('../../docs/access.md', import.meta.url);

let folder: string;
let page: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-explain-'));
  page = await readFile(PAGE, 'utf8');
  const [, routes = ''] = /```yaml\n(routes:\n[\s\S]*?)```/.exec(page) ?? [];
  await writeFile(join(folder, 'coatcheck.yaml'), JSON.stringify({ ...minimal, ...parse(routes) }));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs the program as docs/access.md says, with these claims. */
async function explain(claims: unknown, path = '/api/admin/users', file = 'coatcheck.yaml') {
  await writeFile(join(folder, 'claims.json'), JSON.stringify(claims));
  const args = ['--explain-access', file, '--claims', 'claims.json', path];
  const child = startChildProcess('/bin/sh', [
    '-c',
    'cd "$0" && exec "$@"',
    folder,
    process.execPath,
    MAIN,
    ...args,
  ]);
  const { code } = await child.exit;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

describe('--explain-access with the example of docs/access.md', () => {
  const claims = { realm_access: { roles: ['admin'] }, email: 'jane@acme.example', email_verified: true };

  it('prints what the page shows, and exits with 1', async () => {
    const { code, stdout } = await explain({ ...claims, email: undefined });
    expect(page).toContain(`claims.json /api/admin/users\n${stdout}`);
    expect([code, stdout]).toMatchObject([
      1,
      expect.stringContaining('not_allowed  by routes[0].require[1]'),
    ]);
  });

  it('exits with 0 when the request is allowed', async () => {
    expect(await explain(claims)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^allowed$/m) });
  });

  it('says why the gateway rejects a path, without a stack trace', async () => {
    expect(await explain(claims, '/api/%61dmin')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('bad_request'),
      stderr: '',
    });
  });

  it('exits with 78 when the configuration or the claims are invalid', async () => {
    await writeFile(join(folder, 'other.yaml'), 'baseUrl: 1');
    expect(await explain(claims, '/api/admin', 'other.yaml')).toMatchObject({ code: 78, stdout: '' });
    expect(await explain(['no', 'object'])).toMatchObject({ code: 78, stdout: '' });
  });
});
