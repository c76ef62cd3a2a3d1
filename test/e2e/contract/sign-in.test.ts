import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import type { Program } from '../../../testkit/processes/program.ts';
import { startCibaProvider } from '../../../testkit/providers/ciba.ts';
import { startVendorApi } from '../../../testkit/providers/vendor-api.ts';
import { postLogin } from '../../../testkit/providers/vendor-fixture.ts';
import { startProgram } from '../../../testkit/processes/program.ts';
import { createUserAgent, type UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { expectAuthError, expectProblem, NAVIGATION } from './responses.ts';

let fixture: Fixture;
let program: Program;

beforeAll(async () => {
  fixture = await openFixture();
  const parameters = { prompt: ['login'], ui_locales: 'any' };
  program = await fixture.start({ config: { login: { failureReturnTo: '/failed', parameters } } });
});

afterEach(() => {
  const { provider } = fixture;
  provider.faults.clear();
  provider.patchAuthorizationResponse = undefined;
  provider.patchIdToken = undefined;
});

afterAll(() => fixture.close());

const visitor = () => fixture.browser(program);

/** Goes to the provider and gives the response to the callback; `then` runs in between. */
async function callbackOf(agent: UserAgent, returnTo: string, then = async (): Promise<void> => undefined) {
  const { authorizationUrl } = await beginLogin(agent, `?${new URLSearchParams({ returnTo })}`);
  const sent = await agent.get(authorizationUrl.href);
  await then();
  return agent.get(sent.header('location') ?? '', { headers: NAVIGATION });
}

describe('GET /auth/login', () => {
  it('redirects a navigation to the provider with 302', async () => {
    const response = await visitor().get('/auth/login', { headers: NAVIGATION });
    expect(response.status).toBe(302);
    expect(response.header('location')).toMatch(new RegExp(`^${fixture.provider.issuer}/`));
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.setCookies).toHaveLength(1);
  });

  it.each([
    ['a fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
    ['a prefetch', { ...NAVIGATION, 'sec-purpose': 'prefetch' }],
    ['a prerender', { ...NAVIGATION, 'sec-purpose': 'prefetch;prerender' }],
    ['a frame', { ...NAVIGATION, 'sec-fetch-dest': 'iframe' }],
  ])('starts nothing for %s', async (_what, headers) => {
    const response = await visitor().get('/auth/login', { headers });
    expect([response.status, response.setCookies, response.header('location')]).toEqual([400, [], undefined]);
    expect(response.header('cache-control')).toBe('no-store');
  });

  it('gives a fetch a problem document', async () => {
    expectProblem(await visitor().fetch('/auth/login'), 400, 'bad_request');
  });

  it.each([
    ['/inbox?a=1#b', '/inbox?a=1#b'],
    ['//evil.example/', '/'],
    ['https://evil.example/', '/'],
    ['/\\evil.example', '/'],
  ])('takes %s as returnTo only if it is a path on this origin', async (returnTo, location) => {
    expect((await callbackOf(visitor(), returnTo)).header('location')).toBe(location);
  });

  it('passes prompt=none, login_hint and login.parameters on, and nothing else', async () => {
    const sentWith = async (query: string) =>
      Object.fromEntries((await beginLogin(visitor(), `?${query}`)).authorizationUrl.searchParams);
    expect(await sentWith('prompt=none&login_hint=bob')).toMatchObject({ prompt: 'none', login_hint: 'bob' });
    expect(await sentWith('prompt=login&ui_locales=de')).toMatchObject({ prompt: 'login', ui_locales: 'de' });
    const refused = await sentWith('prompt=create&acr_values=x&scope=admin&client_id=x&state=x&request=x');
    expect(refused).toMatchObject({ client_id: 'web', scope: expect.not.stringContaining('admin') });
    for (const name of ['prompt', 'acr_values', 'request']) expect(refused).not.toHaveProperty(name);
    expect(refused['state']).not.toBe('x');
  });
});

describe('GET /auth/callback', () => {
  it('redirects to returnTo with 303, sets the session cookie and clears that of the sign-in', async () => {
    const agent = visitor();
    const response = await callbackOf(agent, '/inbox');
    expect([response.status, response.header('location')]).toEqual([303, '/inbox']);
    expect(response.header('cache-control')).toBe('no-store');
    expect(agent.cookies.all().map(({ name }) => name)).toEqual(['coatcheck']);
  });

  const refuseWith = (error: string) => async () => {
    fixture.provider.patchAuthorizationResponse = ({ code: _code, ...rest }) => ({
      ...rest,
      error,
      error_description: '<b>words-of-the-provider</b>',
    });
  };

  it.each<[string, () => Promise<void>]>([
    ['access_denied', refuseWith('access_denied')],
    ['login_required', refuseWith('login_required')],
    ['refused', refuseWith('words-of-the-provider')],
    ['provider_unavailable', refuseWith('temporarily_unavailable')],
  ])('leads a sign-in that the provider refuses to its returnTo with %s', async (authError, refuse) => {
    await refuse();
    expectAuthError(await callbackOf(visitor(), '/inbox'), authError, '/inbox');
  });

  it('leads a sign-in whose code cannot be exchanged to its returnTo', async () => {
    fixture.provider.faults.token = { status: 503 };
    expectAuthError(await callbackOf(visitor(), '/inbox'), 'provider_unavailable', '/inbox');
    fixture.provider.faults.token = { status: 401, body: { error: 'invalid_client' } };
    expectAuthError(await callbackOf(visitor(), '/inbox'), 'refused', '/inbox');
  });

  it('leads to its returnTo with store_unavailable while the store is down', async () => {
    const response = await callbackOf(visitor(), '/inbox', () => fixture.redis.stop());
    await fixture.redis.start();
    expectAuthError(response, 'store_unavailable', '/inbox');
  });

  it('leads a user whom login.require does not let in to returnTo with not_allowed', async () => {
    const require = [{ claim: '/email', endsWith: '@acme.example' }];
    const other = await fixture.start({ config: { login: { require } } });
    const agent = fixture.browser(other);
    expectAuthError(await callbackOf(agent, '/inbox'), 'not_allowed', '/inbox');
    expect(agent.cookies.all()).toEqual([]);
  });

  it('leads a stale one to login.failureReturnTo with state_expired', async () => {
    const response = await visitor().get('/auth/callback?code=x&state=y', { headers: NAVIGATION });
    expectAuthError(response, 'state_expired', '/failed');
  });

  it('gives a request that is no navigation a problem document with a reason', async () => {
    const problem = expectProblem(
      await visitor().fetch('/auth/callback?code=x&state=y'),
      400,
      'login_failed',
    );
    expect(problem.reason).toMatch(/no pending login/);
  });
});

describe('a navigation that ends in an error of the gateway', () => {
  it.each([
    ['/api/one', 401, '/auth/login'],
    ['/nowhere', 404, '/'],
    ['/auth/logout', 405, '/'],
  ])('gets a page for %s, with a link to go on and the request id', async (path, status, href) => {
    const response = await visitor().get(path, { headers: NAVIGATION });
    expect([response.status, response.header('content-type')]).toEqual([status, 'text/html; charset=utf-8']);
    expect(response.text()).toContain(`<a href="${href}">`);
    expect(response.text()).toContain(`<code>${response.header('x-request-id')}</code>`);
    expect(response.text()).not.toMatch(/<script/i);
    expect(response.header('cache-control')).toBe('no-store');
  });
});

describe('POST /auth/login', () => {
  it('signs in with 204 and the cookie, and rejects others with 401', async () => {
    const vendor = await startVendorApi();
    const other = await startProgram({ provider: vendor, upstream: fixture.upstream });
    const agent = createUserAgent(other.url);
    expectProblem(await postLogin(agent, { username: 'alice', password: 'x' }), 401, 'credentials_rejected');
    expect(agent.cookies.all()).toEqual([]);
    const response = await postLogin(agent);
    expect([response.status, response.body.length, response.header('cache-control')]).toEqual([
      204,
      0,
      'no-store',
    ]);
    expect(agent.cookies.all()).toMatchObject([{ name: 'coatcheck' }]);
    expectProblem(await postLogin(agent, 'no JSON'), 400, 'bad_request');
    agent.close();
    await other.close();
    await vendor.close();
  });
});

describe('POST and GET /auth/decoupled', () => {
  it('are pending with 202, then 200 with the cookie, 403 or 410, in the browser that began', async () => {
    const provider = await startCibaProvider();
    const other = await startProgram({ provider, upstream: fixture.upstream });
    const agents: UserAgent[] = [];
    const begin = async () => {
      const agent = createUserAgent(other.url);
      agents.push(agent);
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ login_hint: `user ${agents.length}` });
      const begun = await agent.fetch('/auth/decoupled', { method: 'POST', headers, body });
      expect([begun.status, begun.header('cache-control')]).toEqual([202, 'no-store']);
      expect(begun.json()).toMatchObject({
        status: 'pending',
        expiresIn: expect.any(Number),
        interval: expect.any(Number),
      });
      return agent;
    };
    /** Polls until the state is no longer pending. */
    const outcomeOf = async (agent: UserAgent) => {
      for (;;) {
        const response = await agent.fetch('/auth/decoupled');
        if (response.status !== 202) return response;
        expect(response.json()).toMatchObject({ status: 'pending' });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };

    const approved = await begin();
    expectProblem(await createUserAgent(other.url).fetch('/auth/decoupled'), 404, 'not_found');
    Object.assign(provider.approvals.all.at(-1) ?? {}, { state: 'approved' });
    expect((await outcomeOf(approved)).status).toBe(200);
    expect(approved.cookies.all()).toMatchObject([{ name: 'coatcheck' }]);

    for (const [state, status, code] of [
      ['denied', 403, 'login_denied'],
      ['expired', 410, 'login_expired'],
    ] as const) {
      const agent = await begin();
      Object.assign(provider.approvals.all.at(-1) ?? {}, { state });
      expectProblem(await outcomeOf(agent), status, code);
      expect(agent.cookies.all()).toEqual([]);
    }
    for (const agent of agents) agent.close();
    await other.close();
    await provider.close();
  });
});
