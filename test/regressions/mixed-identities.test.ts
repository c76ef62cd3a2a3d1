import { Agent, interceptors, request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/provider/read-config.ts';
import { type Fixture, respondingWith, openFixture } from '../integration/proxy/fixture.ts';
import { gatewayConfig } from '../../testkit/gateway/gateway-config.ts';
import { rawRequest } from '../../testkit/network/raw-client.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Upstream, startUpstream } from '../../testkit/upstream/upstream.ts';
import { requireToken } from '../../testkit/upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../../testkit/user-agent/user-agent.ts';

describe('the access token of another user', () => {
  const PEOPLE = 30;
  let testGateway: TestGateway;
  let orders: Upstream;
  let people: { name: string; agent: UserAgent }[];

  beforeAll(async () => {
    orders = await startUpstream();
    testGateway = await openTestGateway({
      config: { provider: { scopes: ['openid', 'email', 'offline_access', 'orders.read'] } },
      routes: [{ path: '/api' }, { path: '/orders', upstream: orders.url, scopes: ['orders.read'] }],
    });
    for (const { respond } of [testGateway.upstream, orders]) {
      respond(
        requireToken(testGateway.provider.isAccessTokenActive, (_request, response, { target, bearer }) => {
          response.end(`${target} ${subjectOf(bearer)}`);
        }),
      );
    }
    people = Array.from({ length: PEOPLE }, (_, at) => ({
      name: `person-${at}`,
      agent: testGateway.browser(),
    }));
    for (const { name, agent } of people) await agent.signIn('/', { loginHint: name });
  });

  afterAll(async () => {
    await testGateway.close();
    await orders.close();
  });

  /** The user of an access token, in the token ledger of the provider. */
  const subjectOf = (bearer: string | undefined) =>
    testGateway.provider.families.find(({ accessTokens }) =>
      accessTokens.some(({ token }) => token === bearer),
    )?.grant.subject;

  const callAtOnce = async (...paths: string[]) => {
    const mixed = await Promise.all(
      people.flatMap(({ name, agent }) =>
        paths.map(async (path) => {
          const response = (await agent.fetch(`${path}/${name}`)).text();
          return response === `${path}/${name} ${name}` ? [] : [response];
        }),
      ),
    );
    expect(mixed.flat()).toEqual([]);
  };

  it('is never sent with a request when all tokens are refreshed at once over one connection pool (CVE-2025-67490, CVE-2024-51987 / GHSA-7mr7-4f54-vcx5)', async () => {
    testGateway.advance(300_000);
    await callAtOnce('/api');
  });

  it('is never sent with a replayed request (CVE-2026-40155 / GHSA-xq8m-7c5p-c2r6)', async () => {
    for (const { accessTokens } of testGateway.provider.families.filter((_, at) => at % 2 === 0)) {
      for (const { token } of accessTokens) testGateway.provider.revokeAccessToken(token);
    }
    await callAtOnce('/api');
  });

  it('is never used for another scope that is requested at the same time (CVE-2025-26620 / GHSA-qxj7-2x7w-3mpp)', async () => {
    testGateway.advance(300_000);
    await callAtOnce('/api', '/orders');
    const tokensAt = ({ requests }: Upstream) => requests.map(({ bearer }) => bearer);
    expect(tokensAt(orders).filter((token) => tokensAt(testGateway.upstream).includes(token))).toEqual([]);
  });

  it('is never sent with a request without a session right after a sign-in (CVE-2022-21673 / GHSA-8wjh-59cw-9xh4)', async () => {
    const fixture = await openFixture();
    await fixture.send('GET /optional/one HTTP/1.1');
    expect(fixture.received().bearer).toBeDefined();
    for (const fields of [[], ['Authorization: Bearer key'], ['X-Api-Key: key']]) {
      const anonymous = [
        'GET /optional/two HTTP/1.1',
        `Host: ${fixture.host}`,
        'X-CSRF: 1',
        ...fields,
        '',
        '',
      ];
      expect((await rawRequest(fixture.gateway.port, anonymous.join('\r\n'))).status).toBe(200);
      expect(fixture.received().header('authorization')).toBeUndefined();
    }
    await fixture.close();
  });
});

describe('the identity of a user', () => {
  let testGateway: TestGateway;

  beforeEach(async () => {
    testGateway = await openTestGateway();
  });
  afterEach(() => testGateway.close());

  const session = async (agent = testGateway.agent) => (await agent.fetch('/auth/session')).json();

  it('is determined by issuer and subject instead of the e-mail address (CVE-2022-31107 / GHSA-mx47-6497-3fv2)', async () => {
    testGateway.provider.patchIdToken = (claims) => ({
      ...claims,
      email: 'same@example.test',
      preferred_username: 'same',
    });
    const other = testGateway.browser();
    await testGateway.agent.signIn('/', { loginHint: 'alice' });
    await other.signIn('/', { loginHint: 'mallory' });
    expect(await session()).toMatchObject({ subject: 'alice', claims: { email: 'same@example.test' } });
    expect(await session(other)).toMatchObject({
      subject: 'mallory',
      claims: { email: 'same@example.test' },
    });
    await testGateway.agent.fetch('/api/one');
    await other.fetch('/api/one');
    expect(new Set(testGateway.upstream.requests.map(({ bearer }) => bearer)).size).toBe(2);
  });

  it('grants nothing based on the e-mail domain (CVE-2026-40574 / GHSA-c5c4-8r6x-56w3)', async () => {
    testGateway.provider.patchIdToken = (claims) => ({
      ...claims,
      email: 'mallory@evil.example@corp.example',
    });
    await testGateway.agent.signIn('/', { loginHint: 'mallory' });
    expect(await session()).toMatchObject({ subject: 'mallory' });
    // No rule by e-mail address exists: a configuration with one is rejected.
    const config = { login: { emailDomains: ['corp.example'] } };
    const asked = gatewayConfig(
      { provider: testGateway.provider, upstream: testGateway.upstream, config },
      testGateway.gateway.url,
      '127.0.0.1:0',
    );
    expect(() => parseConfig(asked)).toThrow('login.emailDomains');
  });

  it('is updated at each refresh (CVE-2021-41230 / GHSA-j6wp-3859-vxfg)', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, email: 'after@example.test' });
    testGateway.advance(300_000);
    await testGateway.agent.fetch('/api/one');
    expect(await session()).toMatchObject({ claims: { email: 'after@example.test' } });
  });
});

describe('the response to another user', () => {
  let fixture: Fixture;
  let other: Upstream;
  /** A shared cache according to RFC 9111. */
  let cache: ReturnType<Agent['compose']>;
  const agents: Agent[] = [];

  beforeAll(async () => {
    other = await startUpstream();
    fixture = await openFixture({
      routes: [
        { path: '/a', upstream: `${other.url}/b`, stripPrefix: true },
        { path: '/a/b', stripPrefix: true },
      ],
    });
  });

  beforeEach(() => {
    fixture.reset();
    const agent = new Agent();
    agents.push(agent);
    cache = agent.compose(interceptors.cache({ type: 'shared' }));
  });

  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.close()));
    await fixture.close();
    await other.close();
  });

  /** Sends a request through the shared cache with this ticket. */
  const askThroughCache = async (path: string, cookie: string, headers: Record<string, string> = {}) => {
    const response = await request(fixture.gateway.url + path, {
      dispatcher: cache,
      headers: { cookie, 'sec-fetch-site': 'same-origin', ...headers },
    });
    return { ...response, text: await response.body.text() };
  };

  const signIn = async (name: string) => {
    const agent = createUserAgent(fixture.gateway.url);
    await agent.signIn('/', { loginHint: name });
    agent.close();
    return `coatcheck=${agent.cookies.get('coatcheck')?.value}`;
  };

  /** Responds with the end of the bearer token, and allows every cache to store it. */
  const generous = (others: Record<string, string> = {}) =>
    fixture.upstream.respond((_request, response, { bearer = 'nobody' }) => {
      response.writeHead(200, {
        'cache-control': 'public, max-age=600, s-maxage=600',
        'cdn-cache-control': 'public, max-age=600',
        'surrogate-control': 'max-age=600',
        ...others,
      });
      response.end(bearer.slice(-8));
    });

  it('is not served by a shared cache in front of the gateway (CVE-2025-48947 / GHSA-f3fg-mf2q-fj3f, CVE-2025-64762 / GHSA-p8pf-44ff-93gf; standards: F20, E21)', async () => {
    generous();
    // The cache works: without the gateway it mixes users up.
    const direct = async (token: string) =>
      (
        await request(`${fixture.upstream.url}/me`, { dispatcher: cache, headers: { 'x-user': token } })
      ).body.text();
    await direct('one');
    await direct('two');
    expect(fixture.upstream.requests.filter(({ target }) => target === '/me')).toHaveLength(1);

    const [alice, bob] = [await signIn('alice'), await signIn('bob')];
    for (const path of ['/api/me', '/api/me/x.css', '/api/me?x.js', '/optional/me']) {
      const first = await askThroughCache(path, alice);
      const second = await askThroughCache(path, bob);
      expect(second.text).not.toBe(first.text);
    }
    const sessions = [
      await askThroughCache('/auth/session', alice),
      await askThroughCache('/auth/session', bob),
    ];
    expect(sessions.map(({ text }) => JSON.parse(text).subject)).toEqual(['alice', 'bob']);
  });

  it('is not served to a client that accepts stale responses (CVE-2026-93748)', async () => {
    generous({ 'set-cookie': 'theirs=1' });
    const [alice, bob] = [await signIn('alice'), await signIn('bob')];
    const first = await askThroughCache('/api/me', alice);
    for (const wish of ['max-stale=99999999', 'max-stale', 'only-if-cached, max-stale']) {
      const second = await askThroughCache('/api/me', bob, { 'cache-control': wish });
      expect(second.text).not.toBe(first.text);
      expect(second.headers['set-cookie']).toBeUndefined();
    }
  });

  it('is not cached in the gateway (CVE-2026-116592, CVE-2026-120474, CVE-2026-116630, CVE-2026-109829)', async () => {
    fixture.upstream.respond(respondingWith({ 'cache-control': 'public, max-age=600', etag: '"1"' }));
    for (const path of ['/api/kept', '/public/kept', '/public/kept']) {
      await fixture.send(`GET ${path} HTTP/1.1`);
      expect(fixture.received().target).toBe(path);
    }
    // A redirect is neither followed nor remembered.
    fixture.upstream.respond(
      respondingWith({ location: `${other.url}/elsewhere`, 'cache-control': 'max-age=600' }, 301),
    );
    for (let call = 0; call < 2; call += 1) {
      expect((await fixture.send('GET /api/moved HTTP/1.1')).status).toBe(301);
      expect(fixture.received().target).toBe('/api/moved');
    }
    expect(other.requests).toEqual([]);
  });

  it('is not returned when two routes map to the same upstream path (CVE-2026-16158; standards: F31)', async () => {
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, at) => fixture.send(`GET /a${at % 2 === 0 ? '' : '/b'}/c HTTP/1.1`)),
    );
    expect(responses.map(({ body }) => JSON.parse(body.toString()).target)).toEqual(
      Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? '/b/c' : '/c')),
    );
    expect(other.requests.splice(0).map(({ target }) => target)).toEqual(Array(10).fill('/b/c'));
  });

  it('does not appear on a connection after a failed upgrade (CVE-2026-73548 / GHSA-3vhp-c83q-jqc2; standards: F26)', async () => {
    const fields = ['Connection: Upgrade', `Origin: ${fixture.gateway.url}`];
    for (const upgrade of ['foo', 'h2c', 'TLS/1.0']) {
      const smuggled = 'GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
      const refused = await fixture.send(
        'GET /socket/one HTTP/1.1',
        [...fields, `Upgrade: ${upgrade}`],
        smuggled,
      );
      expect(refused.status).toBe(400);
      fixture.upstream.respond(respondingWith({}));
      expect((await fixture.send('GET /socket/two HTTP/1.1')).body.toString()).toBe('ok');
      expect(fixture.received().target).toBe('/socket/two');
    }
  });
});
