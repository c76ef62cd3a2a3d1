import { describe, expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { openDpopFixture, type DpopFixture } from './fixture.ts';

const routes = [
  { path: '/api' },
  { path: '/machine', token: 'client', websocket: true },
  { path: '/open', token: 'client', auth: 'optional', exchange: { audience: 'https://open.test' } },
  { path: '/orders', token: 'exchange', websocket: true, exchange: { audience: 'https://orders.test' } },
];

async function open(options: Parameters<typeof openDpopFixture>[0] = {}) {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  return Object.assign(await openDpopFixture({ routes, store: redis.url, ...options }), { redis });
}

const clientGrants = ({ provider }: DpopFixture) => provider.tokenCalls({ grant: 'client_credentials' });
const exchanges = ({ provider }: DpopFixture) =>
  provider.tokenCalls({ grant: 'urn:ietf:params:oauth:grant-type:token-exchange' });
const lastToken = ({ provider }: DpopFixture) =>
  provider.families.flatMap(({ accessTokens }) => accessTokens).at(-1)?.token ?? '';

describe('a client token with DPoP (standards: H2)', () => {
  it('is bound to a key that all processes share with it, and no session has', async () => {
    const fixture = await open();
    const { agent, atUpstream } = fixture;
    const other = fixture.browser({ at: await fixture.replica() });
    for (const each of [agent, other]) expect((await each.fetch('/open/one')).status).toBe(200);
    expect(clientGrants(fixture)).toBe(1);
    expect(new Set(atUpstream.thumbprints).size).toBe(1);
    await agent.signIn('/');
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(new Set(atUpstream.thumbprints).size).toBe(2);
  });

  it('gets a new key when an API rejects it, and the request is sent again with both', async () => {
    const fixture = await open();
    const { agent, provider, atUpstream } = fixture;
    expect((await agent.fetch('/open/one')).status).toBe(200);
    provider.revokeAccessToken(lastToken(fixture));
    expect((await agent.fetch('/open/two')).status).toBe(200);
    expect(clientGrants(fixture)).toBe(2);
    expect(new Set(atUpstream.thumbprints).size).toBe(2);
  });

  it('is requested and sent with the nonces that the provider and the API ask for (standards: H3)', async () => {
    const fixture = await open();
    fixture.atProvider.nonce = 'nonce-of-the-provider';
    fixture.atUpstream.nonce = 'nonce-of-the-upstream';
    expect((await fixture.agent.fetch('/open/one')).status).toBe(200);
    expect(fixture.atProvider.nonceRefusals).toBe(1);
    expect(fixture.atUpstream.nonceRefusals).toBe(1);
  });

  it('is sealed in Redis with its key (standards: H4)', async () => {
    const fixture = await open();
    expect((await fixture.agent.fetch('/open/one')).status).toBe(200);
    const dump = await fixture.redis.dump();
    expect(dump).toContain(':token:');
    expect(dump).not.toContain(lastToken(fixture));
    expect(dump).not.toContain('dpopKey');
  });

  it('opens a WebSocket', async () => {
    const { agent } = await open();
    await agent.signIn('/');
    (await agent.websocket('/machine/socket')).close();
  });

  it('is not used when the provider issues a bearer token', async () => {
    const { agent, upstream, gateway } = await open({
      provider: { patchTokenResponse: (json) => ({ ...json, token_type: 'Bearer' }) },
    });
    expect((await agent.fetch('/open/one')).json()).toMatchObject({
      status: 503,
      code: 'provider_unavailable',
    });
    expect(upstream.requests).toEqual([]);
    expect(gateway.logs()).toContain('the token of the response is not bound to the key of the request');
  });
});

describe('an exchanged token with DPoP (standards: H2)', () => {
  it('is bound to the key of the session, also after a refresh, and when an API has rejected it', async () => {
    const fixture = await open();
    const { agent, provider, atProvider, atUpstream, advance } = fixture;
    await agent.signIn('/');
    for (const path of ['/api/one', '/orders/one']) expect((await agent.fetch(path)).status).toBe(200);
    provider.revokeAccessToken(lastToken(fixture));
    expect((await agent.fetch('/orders/two')).status).toBe(200);
    expect(exchanges(fixture)).toBe(2);
    advance(300_000);
    expect((await agent.fetch('/orders/three')).status).toBe(200);
    (await agent.websocket('/orders/socket')).close();
    expect(new Set([...atProvider.thumbprints, ...atUpstream.thumbprints]).size).toBe(1);
  });

  it('is not used when the provider issues a bearer token', async () => {
    const { agent, upstream } = await open({
      provider: {
        patchTokenResponse: (json, grant) =>
          grant.includes('exchange') ? { ...json, token_type: 'Bearer' } : json,
      },
    });
    await agent.signIn('/');
    expect((await agent.fetch('/orders/one')).json()).toMatchObject({
      status: 502,
      code: 'provider_invalid_response',
    });
    expect(upstream.requests).toEqual([]);
  });

  it('is a bearer token for a session that has no key', async () => {
    const fixture = await open({ config: { provider: { dpop: false } }, provider: {} });
    const { agent, provider, gateway, upstream } = fixture;
    provider.proofs = undefined;
    upstream.respond((_request, response) => void response.writeHead(200).end());
    await agent.signIn('/');
    await gateway.reload({ provider: { dpop: true } });
    expect((await agent.fetch('/orders/one')).status).toBe(200);
    expect(upstream.requests.at(-1)?.bearer).toBe(lastToken(fixture));
  });
});
