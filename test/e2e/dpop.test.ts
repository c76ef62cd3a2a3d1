import { afterEach, beforeEach, expect, it } from 'vitest';
import { requireProof } from '../../testkit/dpop/protected-upstream.ts';
import {
  createProofVerifier,
  type ProofVerifier,
  thumbprintInToken,
} from '../../testkit/dpop/proof-verifier.ts';
import type { Program } from '../../testkit/processes/program.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

const config = { provider: { dpop: true }, session: { cache: { maxAge: '0s' } } };

let fixture: Fixture;
let first: Program;
let second: Program;
let atProvider: ProofVerifier;
let atUpstream: ProofVerifier;

beforeEach(async () => {
  fixture = await openFixture();
  const { provider, upstream } = fixture;
  atProvider = createProofVerifier();
  atUpstream = createProofVerifier();
  provider.proofs = atProvider;
  upstream.respond(
    requireProof({
      origin: upstream.url,
      verifier: atUpstream,
      thumbprintOf: (token) => (provider.isAccessTokenActive(token) ? thumbprintInToken(token) : undefined),
    }),
  );
  first = await fixture.start({ config });
  second = await fixture.start({ config, replicaOf: first });
});

afterEach(() => fixture.close());

/** Signs in through the first process; resolves once the access token has expired. */
async function signInWithTokenOver() {
  const { provider } = fixture;
  provider.accessTokenLifetime = 1;
  const agent = await fixture.signedIn(first);
  provider.accessTokenLifetime = 300;
  const [expiring] = provider.families[0]?.accessTokens ?? [];
  await expect
    .poll(() => provider.isAccessTokenActive(expiring?.token ?? ''), { timeout: 20_000 })
    .toBe(false);
  return [agent, fixture.browser(second, { like: agent })] as const;
}

it('two processes prove the one key of a session that signed in through one of them (standards: H4)', async () => {
  const agent = await fixture.signedIn(first);
  const elsewhere = fixture.browser(second, { like: agent });
  for (const each of [agent, elsewhere]) expect((await each.fetch('/api/one')).status).toBe(200);
  expect(atUpstream.thumbprints).toHaveLength(2);
  expect(new Set([...atProvider.thumbprints, ...atUpstream.thumbprints]).size).toBe(1);
});

it('two processes that need a nonce refresh once for fifty requests, and spend one refresh token (standards: G6, H3)', async () => {
  const [agent, elsewhere] = await signInWithTokenOver();
  const { provider } = fixture;
  atProvider.nonce = 'nonce-of-the-provider';
  atUpstream.nonce = 'nonce-of-the-upstream';
  const agents = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? agent : elsewhere));
  const responses = await Promise.all(agents.map((each, index) => each.fetch(`/api/${index}`)));
  expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
  // One call, and its repetition with the nonce.
  expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(2);
  expect(atProvider.nonceRefusals).toBe(1);
  expect(provider.tokenLedger().map(({ presented, spent }) => [presented, spent])).toEqual([
    [1, 1],
    [0, 0],
  ]);
  expect(new Set([...atProvider.thumbprints, ...atUpstream.thumbprints]).size).toBe(1);
});

it('a process that starts later proves the key of a session that signed in before (standards: H4)', async () => {
  const agent = await fixture.signedIn(first);
  const third = await fixture.start({ config, replicaOf: first });
  expect((await fixture.browser(third, { like: agent }).fetch('/api/one')).status).toBe(200);
});

it('a process that is killed before its refresh has a nonce spends no refresh token, and another one refreshes with the key (standards: H3, H4)', async () => {
  const [agent, elsewhere] = await signInWithTokenOver();
  const { provider } = fixture;
  // Its lock lasts this long.
  const refresh = { timeout: '1s', lockTtl: '4s' };
  const victim = await fixture.start({ config: { ...config, refresh }, replicaOf: first });
  atProvider.nonce = 'nonce-of-the-provider';
  const hold = provider.faults.hold('token');
  const interrupted = fixture
    .browser(victim, { like: agent })
    .fetch('/api/one')
    .catch(() => undefined);
  await hold.waiting();
  victim.killAlone();
  await victim.exit;
  hold.release();
  await interrupted;
  await expect
    .poll(async () => (await elsewhere.fetch('/api/two')).status, { timeout: 60_000, interval: 200 })
    .toBe(200);
  expect(provider.tokenLedger().map(({ spent, familyAlive }) => [spent, familyAlive])).toEqual([
    [1, true],
    [0, true],
  ]);
  expect(new Set([...atProvider.thumbprints, ...atUpstream.thumbprints]).size).toBe(1);
});
