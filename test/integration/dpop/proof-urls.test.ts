import { expect, it, onTestFinished } from 'vitest';
import { requireProof, requireProofOfUpgrades } from '../../../testkit/dpop/protected-upstream.ts';
import { createProofVerifier } from '../../../testkit/dpop/proof-verifier.ts';
import { startUpstream } from '../../../testkit/upstream/upstream.ts';
import { openDpopFixture } from './fixture.ts';

/** A server of an API, with nonces of its own. */
async function startServer(nonce: string) {
  const server = await startUpstream();
  onTestFinished(() => server.close());
  return { server, verifier: createProofVerifier(), nonce };
}

/** A gateway whose API has two servers that verify proofs; the person is signed in. */
async function openTwoServers() {
  const servers = await Promise.all([startServer('nonce-of-one'), startServer('nonce-of-two')]);
  const routes = [{ path: '/api', upstream: servers.map(({ server }) => server.url), websocket: true }];
  const fixture = await openDpopFixture({ routes });
  for (const { server, verifier, nonce } of servers) {
    verifier.nonce = nonce;
    const { thumbprintOf } = fixture;
    const resource = { origin: server.url, verifier, thumbprintOf };
    server.respond(requireProof(resource));
    server.rejectUpgradesIf(requireProofOfUpgrades(resource));
  }
  await fixture.agent.signIn('/');
  return { ...fixture, servers };
}

it('a proof is for the path at the upstream, which may lack a prefix (standards: H2)', async () => {
  const { agent, upstream, atUpstream } = await openDpopFixture({
    routes: [{ path: '/api', stripPrefix: true, websocket: true }],
  });
  await agent.signIn('/');
  expect((await agent.fetch('/api/items?page=2')).status).toBe(200);
  (await agent.websocket('/api/room')).close();
  expect(upstream.requests[0]?.target).toBe('/items?page=2');
  expect(upstream.upgrades[0]?.target).toBe('/room');
  expect(atUpstream.thumbprints).toHaveLength(2);
});

it('a proof is for the server that gets the request, with the nonce of that server (standards: H2, H3)', async () => {
  const { agent, servers } = await openTwoServers();
  const calls = ['one', 'two', 'three', 'four', 'five', 'six'];
  for (const call of calls) expect((await agent.fetch(`/api/${call}`)).status).toBe(200);
  // Each server refuses the first proof that it gets, and none after it.
  expect(servers.map(({ verifier }) => verifier.nonceRefusals)).toEqual([1, 1]);
  expect(servers.map(({ verifier }) => verifier.thumbprints.length)).toEqual([3, 3]);
});

it('a WebSocket has a proof for the server that gets it, with the nonce of that server (standards: H2, H3)', async () => {
  const { agent, servers } = await openTwoServers();
  for (const path of ['one', 'two', 'three', 'four']) (await agent.websocket(`/api/${path}`)).close();
  expect(servers.map(({ verifier }) => verifier.nonceRefusals)).toEqual([1, 1]);
  expect(servers.map(({ verifier }) => verifier.thumbprints.length)).toEqual([2, 2]);
});
