import { afterEach, beforeEach, expect, it } from 'vitest';
import { createProofVerifier } from '../../testkit/dpop/proof-verifier.ts';
import { echo } from '../../testkit/upstream/behaviours.ts';
import { beginLogin } from '../../testkit/gateway/login-steps.ts';
import { dpopKeysIn } from '../../testkit/secrets/dpop-keys.ts';
import { partsOfPrivateKey } from '../../testkit/secrets/private-keys.ts';
import { pem } from '../unit/config/keys.ts';
import { type Fixture, openFixture } from './support/fixture.ts';
import { dumpOnSignal, heapOf } from './support/heap-dump.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

it('a heap dump contains the access token of a session but neither its refresh token nor its ID token', async () => {
  const program = await fixture.start({ env: dumpOnSignal(fixture) });
  const ada = await fixture.signedIn(program);
  expect((await ada.fetch('/api/one')).status).toBe(200);
  expect((await ada.fetch('/auth/session')).status).toBe(200);

  const heap = await heapOf(program, fixture);
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
  const program = await fixture.start({ env: dumpOnSignal(fixture), config });
  const ada = fixture.browser(program);
  const { authorizationUrl } = await beginLogin(ada);
  const keys = await dpopKeysIn([await redis.dump()], ada.received());
  expect(keys).toHaveLength(1);
  await ada.navigate(authorizationUrl.href);
  expect((await ada.fetch('/api/one')).status).toBe(200);
  const socket = await ada.websocket('/socket/live');

  const heap = await heapOf(program, fixture);
  const tokens = provider.secrets(['access_token']).map((token) => token.slice(0, 1_000));
  expect(tokens.map((token) => heap.includes(token))).toContain(true);
  const privateKeys = [...keys, ...partsOfPrivateKey(pem('P-256'))];
  expect(privateKeys.filter((key) => heap.includes(key))).toEqual([]);
  socket.close();
});
