import { Redis } from 'ioredis';
import { decodeJwt } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { authorize, type BegunLogin } from '../../../testkit/gateway/login-steps.ts';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import { type Behaviour, echo, requireToken, status } from '../../../testkit/upstream/behaviours.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 50 };

let redis: RedisServer;
let testGateway: TestGateway;

openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened), {
  config: { provider: { scopes: ['openid', 'offline_access', 'reports.read'] } },
  routes: [
    { path: '/api' },
    { path: '/admin', scopes: ['admin'] },
    { path: '/reports', scopes: ['reports.read'] },
    { path: '/orders', scopes: ['orders.read'], resource: ['https://orders.example.test'] },
  ],
});

/** An API that wants the claims of its tokens to be so, and challenges otherwise. */
function requireStepUp(
  challenge: string,
  isMet: (claims: Record<string, unknown>) => boolean,
  code = 401,
): Behaviour {
  const refuse = status(code, { 'www-authenticate': challenge });
  return requireToken(testGateway.provider.isAccessTokenActive, (request, response, record) =>
    (isMet(decodeJwt(record.bearer ?? '')) ? echo : refuse)(request, response, record),
  );
}
const weak = (parameters: string) => `Bearer error="insufficient_user_authentication", ${parameters}`;
const requireGold = () => requireStepUp(weak('acr_values="gold"'), ({ acr }) => acr === 'gold');
const requireScope = (scope: string) =>
  requireStepUp(
    `Bearer error="insufficient_scope", scope="${scope}"`,
    ({ scope: granted }) => String(granted).split(' ').includes(scope),
    403,
  );

type StepUpRequired = { code: string; stepUp: Record<string, unknown>; loginUrl: string };

const call = (path = '/api/one', agent = testGateway.agent) => agent.fetch(path);
/** Makes a call that needs a step-up. */
async function required(path?: string, agent?: UserAgent): Promise<StepUpRequired> {
  const response = await call(path, agent);
  const problem = response.json() as StepUpRequired;
  expect(problem.code).toBe('step_up_required');
  expect(response.header('x-login-url')).toBe(problem.loginUrl);
  return problem;
}
/** Follows its login URL to the provider, without going there. */
async function begin(loginUrl: string, agent = testGateway.agent): Promise<BegunLogin> {
  const response = await agent.get(`${loginUrl}&returnTo=/page`);
  return { response, authorizationUrl: new URL(response.header('location') ?? '', testGateway.gateway.url) };
}
/** Follows its login URL until the browser is back at the app; gives where, and what the callback set. */
async function stepUp(loginUrl: string, agent = testGateway.agent) {
  const { chain } = await agent.navigate(`${loginUrl}&returnTo=/page?a%23b`, { from: 'page' });
  const back = chain.find(({ status }) => status === 303);
  if (back === undefined) throw new Error(`the step-up did not lead back: ${chain.at(-1)?.text()}`);
  const location = new URL(back.header('location') ?? '', testGateway.gateway.url);
  return { path: location.pathname, error: location.searchParams.get('auth_error'), back };
}
const sessionId = async (agent = testGateway.agent) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId?: string }).sessionId;
const ended = () => testGateway.provider.families.map(({ endedBecause }) => endedBecause);
const sentResources = (begun: BegunLogin) => begun.authorizationUrl.searchParams.getAll('resource');
const sent = (begun: BegunLogin) => Object.fromEntries(begun.authorizationUrl.searchParams);

describe('a step-up', () => {
  it('asks for what the API requires, and renews the session (standards: H8, E20)', async () => {
    await testGateway.agent.signIn();
    const before = await sessionId();
    const former = testGateway.browser({ like: testGateway.agent });
    testGateway.upstream.respond(requireGold());
    const { loginUrl, stepUp: needed } = await required();
    expect(needed).toEqual({ acrValues: ['gold'] });
    expect(await stepUp(loginUrl)).toMatchObject({ path: '/page', error: null });
    expect((await call()).status).toBe(200);
    expect(await sessionId()).not.toBe(before);
    expect((await call('/api/one', former)).json()).toMatchObject({ code: 'session_expired' });
    expect(ended()).toEqual(['revoked', undefined]);
  });

  it('passes acr_values, max_age and the union of scopes to the provider', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(
      status(401, { 'www-authenticate': weak('acr_values="gold silver", max_age="5"') }),
    );
    expect(sent(await begin((await required()).loginUrl))).toMatchObject({
      acr_values: 'gold silver',
      max_age: '5',
      scope: 'openid offline_access reports.read',
    });
    testGateway.upstream.respond(requireScope('items.write'));
    const scoped = sent(await begin((await required()).loginUrl));
    expect(scoped).toMatchObject({ scope: 'openid offline_access reports.read items.write' });
    expect(scoped).not.toHaveProperty('acr_values');
  });

  it('that names nothing asks for a new authentication', async () => {
    await testGateway.agent.signIn();
    const challenge = 'Bearer error="insufficient_user_authentication"';
    testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
    expect(sent(await begin((await required()).loginUrl))).toMatchObject({ prompt: 'login' });
  });

  it('gets the scope that an API misses', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireScope('items.write'));
    expect(await stepUp((await required()).loginUrl)).toMatchObject({ error: null });
    expect((await call()).status).toBe(200);
  });

  it('makes a route work whose scopes were not granted at sign-in (standards: G3)', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireScope('admin'));
    const { loginUrl, stepUp: needed } = await required('/admin/one');
    expect(needed).toEqual({ scopes: ['admin'] });
    expect(await stepUp(loginUrl)).toMatchObject({ error: null });
    expect((await call('/admin/one')).status).toBe(200);
    const { bearer = '' } = testGateway.upstream.requests.at(-1) ?? {};
    expect(decodeJwt(bearer)['scope']).toBe('admin');
  });

  it('gets the scope that the API of a route with scopes of its own misses', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireScope('reports.write'));
    expect(await stepUp((await required('/reports/one')).loginUrl)).toMatchObject({ error: null });
    expect((await call('/reports/one')).status).toBe(200);
    const { bearer = '' } = testGateway.upstream.requests.at(-1) ?? {};
    expect(decodeJwt(bearer)['scope']).toBe('reports.read reports.write');
    testGateway.upstream.respond(requireGold());
    await stepUp((await required()).loginUrl);
    testGateway.upstream.respond(requireScope('reports.write'));
    expect((await call('/reports/one')).status).toBe(200);
  });

  it('keeps what an earlier step-up of the session brought', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireScope('items.write'));
    await stepUp((await required()).loginUrl);
    testGateway.upstream.respond(requireGold());
    await stepUp((await required()).loginUrl);
    expect((await call()).status).toBe(200);
    await stepUp((await required('/admin/one')).loginUrl);
    testGateway.upstream.respond(
      requireStepUp(weak('acr_values="gold"'), ({ acr, scope }) => acr === 'gold' && scope === 'admin'),
    );
    expect((await call('/admin/one')).status).toBe(200);
    testGateway.upstream.respond(requireScope('items.write'));
    expect((await call()).status).toBe(200);
  });
});

it('a step-up for the resource of a route leaves the token of the sign-in to its own (RFC 8707)', async () => {
  const [api, orders] = ['https://api.example.test', 'https://orders.example.test'];
  const provider = await startFakeProvider({ resources: [api] });
  testGateway = await openTestGatewayForTest({
    provider,
    config: { provider: { scopes: ['openid'], authorizationParams: { resource: api } } },
    routes: [{ path: '/api' }, { path: '/orders', resource: [orders] }],
  });
  await testGateway.agent.signIn();
  const { loginUrl } = await required('/orders/one');
  provider.resources = [api, orders];
  expect(sentResources(await begin(loginUrl))).toEqual([api, orders]);
  expect((await stepUp(loginUrl)).error).toBeNull();
  const audience = async (path: string) => {
    expect((await call(path)).status).toBe(200);
    return decodeJwt(testGateway.upstream.requests.at(-1)?.bearer ?? '').aud;
  };
  for (let round = 0; round < 2; round += 1) {
    expect([await audience('/api/one'), await audience('/orders/one')]).toEqual([api, orders]);
    testGateway.advance(299_500);
  }
});

describe('a step-up that the provider does not honour', () => {
  const expectOldSession = async (before: string | undefined, back: { setCookies: string[] }) => {
    expect(back.setCookies.filter((line) => !/-login-/.test(line))).toEqual([]);
    expect(await sessionId()).toBe(before);
  };

  it.each<[string, string, () => void]>([
    ['acr', weak('acr_values="gold"'), () => (testGateway.provider.stepUp = 'ignored')],
    [
      'another acr',
      weak('acr_values="gold"'),
      () => (testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: 'bronze' })),
    ],
    ['max_age', weak('max_age="0"'), () => (testGateway.provider.stepUp = 'ignored')],
    [
      'an old auth_time',
      weak('max_age="60"'),
      () =>
        (testGateway.provider.patchIdToken = (claims) => ({
          ...claims,
          auth_time: Number(claims.iat) - 200,
        })),
    ],
    [
      'no auth_time',
      weak('max_age="60"'),
      () => (testGateway.provider.patchIdToken = (claims) => ({ ...claims, auth_time: undefined })),
    ],
    [
      'scope',
      'Bearer error="insufficient_scope", scope="items.write"',
      () => (testGateway.provider.refusedScopes = ['items.write']),
    ],
    ['subject', weak('acr_values="gold"'), () => (testGateway.provider.user = 'mallory')],
  ])(
    '%s leaves the session as it is, and says step_up_unmet without a loop',
    async (_what, challenge, ignore) => {
      await testGateway.agent.signIn();
      const before = await sessionId();
      testGateway.upstream.respond(status(401, { 'www-authenticate': challenge }));
      const { loginUrl } = await required();
      ignore();
      const { path, error, back } = await stepUp(loginUrl);
      expect([path, error]).toEqual(['/page', 'step_up_unmet']);
      await expectOldSession(before, back);
      // The tokens just obtained are revoked, those of the session are not.
      expect(ended()).toEqual([undefined, 'revoked']);
      await required();
      testGateway.upstream.respond(echo);
      expect((await call()).status).toBe(200);
    },
  );

  it('with an error leaves the session as it is', async () => {
    await testGateway.agent.signIn();
    const before = await sessionId();
    testGateway.upstream.respond(requireGold());
    const { loginUrl } = await required();
    testGateway.provider.patchAuthorizationResponse = ({ state = '', iss = '' }) => ({
      state,
      iss,
      error: 'unmet_authentication_requirements',
    });
    const { error, back } = await stepUp(loginUrl);
    expect(error).toBe('step_up_unmet');
    await expectOldSession(before, back);
  });

  it('that returns the grant of the session does not end that grant', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const { loginUrl } = await required();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: undefined, sid: firstSid() });
    expect((await stepUp(loginUrl)).error).toBe('step_up_unmet');
    expect(ended()).toEqual([undefined, undefined]);
  });
});

const firstSid = () => testGateway.provider.families[0]?.grant.sid;

describe('a step-up that is met within the same grant', () => {
  it.each<[string, () => void]>([
    ['same sid', () => (testGateway.provider.patchIdToken = (claims) => ({ ...claims, sid: firstSid() }))],
    ['no sid', () => (testGateway.provider.patchIdToken = (claims) => ({ ...claims, sid: undefined }))],
    [
      'same refresh token',
      () =>
        (testGateway.provider.patchTokenResponse = (json) => ({
          ...json,
          refresh_token: testGateway.provider.families[0]?.refreshTokens[0]?.token,
        })),
    ],
  ])('(%s) does not end it', async (_what, arrange) => {
    await testGateway.agent.signIn();
    arrange();
    testGateway.upstream.respond(requireGold());
    expect((await stepUp((await required()).loginUrl)).error).toBeNull();
    expect(ended()).toEqual([undefined, undefined]);
    expect((await call()).status).toBe(200);
  });
});

describe('a step-up whose token response has no refresh token', () => {
  /** Steps up so; then the new access token expires. */
  const stepUpAndWait = async () => {
    await testGateway.agent.signIn();
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, refresh_token: undefined });
    testGateway.upstream.respond(requireGold());
    expect((await stepUp((await required()).loginUrl)).error).toBeNull();
    expect((await call()).status).toBe(200);
    testGateway.upstream.respond(requireToken(testGateway.provider.isAccessTokenActive));
    testGateway.provider.patchTokenResponse = undefined;
    testGateway.advance(600_000);
  };
  it.each<[string, (claims: Record<string, unknown>) => Record<string, unknown>]>([
    ['same sid', (claims) => ({ ...claims, sid: firstSid() })],
    ['no sid', (claims) => ({ ...claims, sid: undefined })],
  ])('(%s) keeps the refresh token of the session in use, once', async (_what, patch) => {
    testGateway.provider.patchIdToken = patch;
    await stepUpAndWait();
    expect((await call()).status).toBe(200);
    const [first] = testGateway.provider.families;
    expect(first?.refreshTokens.map(({ spent }) => spent)).toEqual([1, 0]);
    expect(ended()).toEqual([undefined, undefined]);
  });

  it('leaves none when the sid is another: the former one is of another session at the provider, and revoked', async () => {
    await stepUpAndWait();
    expect((await call()).json()).toMatchObject({ code: 'session_expired' });
    expect(ended()).toEqual(['revoked', undefined]);
  });
});

describe('the login URL of a step-up', () => {
  const goldUrl = async (agent?: UserAgent) => {
    testGateway.upstream.respond(requireGold());
    return (await required('/api/one', agent)).loginUrl;
  };
  /** It leads back to the app at once, and asks the provider for nothing. */
  const expectExpired = async (loginUrl: string, agent = testGateway.agent) => {
    const { response } = await begin(loginUrl, agent);
    expect(response.status).toBe(303);
    expect(response.header('location')).toMatch(/^\/page\?auth_error=state_expired&auth_request_id=[\w-]+$/);
    expect(response.setCookies).toEqual([]);
  };

  it('lasts ten minutes', async () => {
    await testGateway.agent.signIn();
    testGateway.stopClock();
    const loginUrl = await goldUrl();
    testGateway.advance(599_000);
    expect((await begin(loginUrl)).response.status).toBe(302);
    testGateway.advance(1_000);
    await expectExpired(loginUrl);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
  });

  it.each([
    ['forged', (seal: string) => seal.replace(/.(?=\*)/, (last) => (last === 'A' ? 'B' : 'A'))],
    ['cut', (seal: string) => seal.slice(0, -10)],
    ['empty', () => ''],
    ['endless', (seal: string) => seal.padEnd(9_000, 'A')],
  ])('is worth nothing when it is %s', async (_what, change) => {
    await testGateway.agent.signIn();
    const url = new URL(await goldUrl(), testGateway.gateway.url);
    const seal = url.searchParams.get('stepUp') ?? '';
    await expectExpired(`/auth/login?${new URLSearchParams({ stepUp: change(seal) })}`);
    await expectExpired(`/auth/login?${new URLSearchParams({ stepUp: seal })}&stepUp=x`);
  });

  it('is worth nothing in another session, of the same user or another', async () => {
    const mallory = testGateway.browser();
    await mallory.signIn('/', { loginHint: 'mallory' });
    const loginUrl = await goldUrl(mallory);
    testGateway.upstream.respond(echo);
    await testGateway.agent.signIn();
    await expectExpired(loginUrl);
    await testGateway.agent.signIn();
    const own = await goldUrl();
    await testGateway.agent.signIn();
    await expectExpired(own);
  });

  it('is a plain sign-in without a session, and after a sign-out', async () => {
    await testGateway.agent.signIn();
    const loginUrl = await goldUrl();
    const stranger = testGateway.browser();
    expect(sent(await begin(loginUrl, stranger))).not.toHaveProperty('acr_values');
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const begun = await begin(loginUrl);
    expect(sent(begun)).not.toHaveProperty('acr_values');
    expect(begun.response.status).toBe(302);
  });

  it('is not interchangeable with any other seal', async () => {
    await testGateway.agent.signIn();
    const { response } = await begin(await goldUrl());
    const login = /^coatcheck-login-[^=]*=([^;]*)/.exec(response.setCookies[0] ?? '')?.[1] ?? '';
    const ticket = testGateway.agent.cookies.all().find(({ name }) => name === 'coatcheck')?.value ?? '';
    for (const seal of [login, ticket])
      await expectExpired(`/auth/login?${new URLSearchParams({ stepUp: seal })}`);
  });

  it('passes nothing else of an API on to the provider', async () => {
    await testGateway.agent.signIn();
    const evil = 'gold&prompt=none&redirect_uri=https://evil.test#x';
    testGateway.upstream.respond(
      status(401, { 'www-authenticate': weak(`acr_values="${evil}", scope="a&client_id=evil"`) }),
    );
    const begun = await begin((await required()).loginUrl);
    expect(sent(begun)).toMatchObject({
      acr_values: evil,
      scope: 'openid offline_access reports.read a&client_id=evil',
      client_id: 'web',
      redirect_uri: `${testGateway.gateway.url}/auth/callback`,
    });
    expect(sent(begun)).not.toHaveProperty('prompt');
  });
});

describe('step-ups in two tabs', () => {
  it('each complete, and the last session is the only one', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const urls = [(await required()).loginUrl, (await required()).loginUrl];
    const begun = [await begin(urls[0] ?? ''), await begin(urls[1] ?? '')];
    for (const tab of begun) {
      const { response } = await testGateway.agent.navigate((await authorize(testGateway.agent, tab)).href);
      expect(response.url).toMatch(/\/page$/);
      expect((await call()).status).toBe(200);
    }
    expect(ended()).toEqual(['revoked', 'revoked', undefined]);
  });

  it('one that began before the other completed has an expired login URL, and its call succeeds', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const [first, second] = [await required(), await required()];
    await stepUp(first.loginUrl);
    expect((await stepUp(second.loginUrl)).error).toBe('state_expired');
    expect((await call()).status).toBe(200);
  });

  it('are rejected when the user of the other tab has changed', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const begun = await begin((await required()).loginUrl);
    testGateway.provider.user = 'mallory';
    await testGateway.agent.signIn();
    testGateway.provider.user = 'alice';
    const { response } = await testGateway.agent.navigate((await authorize(testGateway.agent, begun)).href);
    expect(response.url).toMatch(/auth_error=step_up_unmet/);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'mallory' });
  });
});

describe('a step-up under way', () => {
  it('does not sign in a user who has signed out meanwhile', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const callback = await authorize(testGateway.agent, await begin((await required()).loginUrl));
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const { response } = await testGateway.agent.navigate(callback.href);
    expect(response.url).toMatch(/auth_error=state_expired/);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(ended()).toEqual(['revoked', 'revoked']);
  });

  /** Watches Redis. `seen` resolves at the next attempt to take the lock of a session. */
  async function watchLocks(): Promise<{ seen: Promise<string> }> {
    const monitor = await new Redis(redis.rootUrl, { lazyConnect: true }).monitor();
    onTestFinished(() => monitor.disconnect());
    const seen = new Promise<string>((resolve) => {
      monitor.on('monitor', (_time: string, [command = '', key = '']: string[]) => {
        if (/^set$/i.test(command) && key.startsWith('coatcheck:lock:')) resolve('lock attempt');
      });
    });
    return { seen };
  }

  it('waits for a refresh of the session, whose tokens may be of the same grant', async () => {
    await testGateway.agent.signIn();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, sid: firstSid() });
    testGateway.upstream.respond(requireGold());
    const callback = await authorize(testGateway.agent, await begin((await required()).loginUrl));
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    testGateway.provider.shapeRefreshToken = async (random) => {
      testGateway.provider.shapeRefreshToken = undefined;
      arrived.resolve();
      await released.promise;
      return random;
    };
    testGateway.advance(299_500);
    const refreshing = call();
    await arrived.promise;
    const lockAttempt = await watchLocks();
    const completing = testGateway.agent.navigate(callback.href);
    expect(await Promise.race([completing, lockAttempt.seen])).toBe('lock attempt');
    released.resolve();
    await refreshing;
    expect((await completing).response.url).toMatch(/\/page$/);
    expect(ended()).toEqual([undefined, undefined]);
    expect((await call()).status).toBe(200);
  });

  it(
    'is an outage while Redis does not respond, and completes once it does',
    { timeout: 60_000 },
    async () => {
      await testGateway.agent.signIn();
      testGateway.upstream.respond(requireGold());
      const callback = await authorize(testGateway.agent, await begin((await required()).loginUrl));
      redis.pause();
      const { response } = await testGateway.agent.navigate(callback.href);
      redis.resume();
      expect(response.url).toMatch(/\/page\?auth_error=store_unavailable/);
      expect(testGateway.gateway.logs()).toMatch(/"sign_in_refused","reason":"store_unavailable"/);
      await expect
        .poll(async () => (await testGateway.agent.navigate(callback.href)).response.url, PATIENCE)
        .toMatch(/\/page$/);
      expect((await call()).status).toBe(200);
      expect(ended()).toEqual(['revoked', undefined]);
    },
  );

  it(
    'fails as an outage when Redis stops responding after its token call, and leaves the session and its grant',
    { timeout: 60_000 },
    async () => {
      await testGateway.agent.signIn();
      // The new tokens may be of the grant of the session, which a revocation would end.
      testGateway.provider.patchIdToken = (claims) => ({ ...claims, sid: firstSid() });
      testGateway.upstream.respond(requireGold());
      const callback = await authorize(testGateway.agent, await begin((await required()).loginUrl));
      testGateway.provider.shapeRefreshToken = async (random) => {
        testGateway.provider.shapeRefreshToken = undefined;
        redis.pause();
        return random;
      };
      const { response } = await testGateway.agent.navigate(callback.href);
      redis.resume();
      expect(response.url).toMatch(/\/page\?auth_error=store_unavailable/);
      testGateway.upstream.respond(requireToken(testGateway.provider.isAccessTokenActive));
      await expect.poll(async () => (await call()).status, PATIENCE).toBe(200);
      expect(ended()).toEqual([undefined, undefined]);
    },
  );

  it('survives a refresh of the session, and its rejection does not harm the new tokens', async () => {
    await testGateway.agent.signIn();
    testGateway.upstream.respond(requireGold());
    const callback = await authorize(testGateway.agent, await begin((await required()).loginUrl));
    testGateway.advance(290_000);
    await required();
    testGateway.provider.patchIdToken = (claims) => ({ ...claims, acr: undefined });
    const { response } = await testGateway.agent.navigate(callback.href);
    expect(response.url).toMatch(/auth_error=step_up_unmet/);
    testGateway.upstream.respond(requireToken(testGateway.provider.isAccessTokenActive));
    expect((await call()).status).toBe(200);
    expect(ended()).toEqual([undefined, 'revoked']);
  });
});
