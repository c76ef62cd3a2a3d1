import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Program } from '../../testkit/processes/program.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

const FORMER = 'canary-former-Vq7mZ2xK9tR4wB8nLc3h';
const NEXT = 'canary-next-Hs5pY8dQ1jW6gF3kTz9vRe';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

/** Writes secrets into the files that the configuration names, as an orchestrator does. */
async function write(current: string, previous = ''): Promise<void> {
  await writeFile(join(fixture.folder, 'current'), `${current}\n`);
  await writeFile(join(fixture.folder, 'previous'), `${previous}\n`);
}

/** Reloads the secrets, and waits for the log line with the result. */
async function reload(program: Program): Promise<string | undefined> {
  const outcomes = (text: string) =>
    text.split('\n').filter((line) => /"configuration reloaded"|config reload failed/.test(line));
  const before = outcomes(program.stdout()).length;
  program.signal('SIGHUP');
  return program.waitForOutput((text) => outcomes(text).at(before));
}

it('a reload on SIGHUP rotates the session secrets and ends sessions only once their old secret is removed', async () => {
  await write(FORMER);
  const secrets = [`\${file:${fixture.folder}/current}`, `\${file:${fixture.folder}/previous}`];
  const program = await fixture.start({ config: { session: { secrets } } });
  const early = await fixture.signedIn(program);

  await write(NEXT, FORMER);
  expect(await reload(program)).toContain('"configuration reloaded"');
  const late = await fixture.signedIn(program, 'bob');
  expect((await early.fetch('/api/one')).status).toBe(200);
  expect((await late.fetch('/api/one')).status).toBe(200);

  await write('canary-too-short');
  const refusal = await reload(program);
  expect(refusal).toContain('session.secrets[0]: expected a secret of at least 32 characters');
  expect((await early.fetch('/api/two')).status).toBe(200);
  expect((await late.fetch('/api/two')).status).toBe(200);

  await write(NEXT);
  expect(await reload(program)).toContain('"configuration reloaded"');
  const ended = await early.fetch('/api/three');
  expect(ended.status).toBe(401);
  expect(ended.json()).toMatchObject({ code: 'session_required', loginUrl: '/auth/login' });
  // Another replica may still have the secret: the cookie stays until the next sign-in.
  expect(ended.setCookies).toEqual([]);
  await program.waitForOutput(
    (text) => /sealed with a secret that this process does not have/.exec(text)?.[0],
  );
  expect((await late.fetch('/api/three')).status).toBe(200);
  await program.waitForOutput(
    (text) => /"ended":1,"msg":"ended the sessions of removed secrets/.exec(text)?.[0],
  );
  expect(fixture.provider.families).toMatchObject([{ endedBecause: 'revoked' }, { alive: true }]);
  expect((await fixture.signedIn(program)).cookies.get('coatcheck')).toBeDefined();

  expect(program.stdout() + program.stderr()).not.toContain('canary-');
});

it('a reload on SIGHUP applies a new client secret without a new sign-in', async () => {
  const file = join(fixture.folder, 'client');
  const { client } = fixture.provider;
  await writeFile(file, client.secret);
  const program = await fixture.start({ config: { provider: { clientSecret: `\${file:${file}}` } } });
  const early = await fixture.signedIn(program);

  client.secret = 'canary-next-client-secret';
  await writeFile(file, client.secret);
  expect(await reload(program)).toContain('"configuration reloaded"');
  expect((await early.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  expect(fixture.provider.families).toMatchObject([{ endedBecause: 'revoked' }]);
  expect((await (await fixture.signedIn(program, 'bob')).fetch('/api/one')).status).toBe(200);
  expect(program.stdout() + program.stderr()).not.toContain('canary-');
});
