import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Program } from '../../../testkit/processes/program.ts';
import { echo, status } from '../../../testkit/upstream/behaviours.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { expectAuthError, expectProblem, NAVIGATION } from './responses.ts';

let fixture: Fixture;
let program: Program;
let agent: UserAgent;

beforeAll(async () => {
  fixture = await openFixture();
  program = await fixture.start({
    config: {
      provider: { scopes: ['openid', 'offline_access'] },
      routes: [
        { path: '/api', upstream: fixture.upstream.url },
        { path: '/admin', upstream: fixture.upstream.url, scopes: ['admin'] },
      ],
    },
  });
});

beforeEach(async () => {
  Object.assign(fixture.provider, { stepUp: 'honoured', user: 'alice', refusedScopes: [] });
  fixture.upstream.respond(echo);
  agent = await fixture.signedIn(program);
});

afterAll(() => fixture.close());

const challenge = (code: number, parameters: string) =>
  fixture.upstream.respond(status(code, { 'www-authenticate': `Bearer ${parameters}` }));
const weak = (parameters: string) => challenge(401, `error="insufficient_user_authentication"${parameters}`);

/** Makes a call that needs a step-up, and gives what it demands. */
async function required(path = '/api/one') {
  const problem = expectProblem(await agent.fetch(path), 401, 'step_up_required');
  expect(problem.loginUrl).toMatch(/^\/auth\/login\?stepUp=/);
  return { stepUp: problem.stepUp, loginUrl: problem.loginUrl ?? '' };
}

/** The parameters with which the sign-in asks the provider. */
async function askedBy(loginUrl: string, person = agent) {
  const response = await person.get(`${loginUrl}&returnTo=/page`, { headers: NAVIGATION });
  return Object.fromEntries(new URL(response.header('location') ?? '').searchParams);
}

/** Signs in at the provider, and gives the response to the callback. */
async function callbackOf(loginUrl: string) {
  const { chain } = await agent.navigate(`${loginUrl}&returnTo=/page`, { from: 'page' });
  const callback = chain.find(({ url }) => new URL(url).pathname === '/auth/callback');
  if (callback === undefined) throw new Error('the step-up did not come back');
  return callback;
}

const sessionId = async () =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;

describe('step_up_required', () => {
  it('names acr_values and max_age of a 401, and its sign-in asks for them', async () => {
    weak(', acr_values="gold silver", max_age="60"');
    const { stepUp, loginUrl } = await required();
    expect(stepUp).toEqual({ acrValues: ['gold', 'silver'], maxAge: 60 });
    expect(await askedBy(loginUrl)).toMatchObject({ acr_values: 'gold silver', max_age: '60' });
  });

  it('names the scope of a 403, and its sign-in asks for the union', async () => {
    challenge(403, 'error="insufficient_scope", scope="items.write"');
    const { stepUp, loginUrl } = await required();
    expect(stepUp).toEqual({ scopes: ['items.write'] });
    expect((await askedBy(loginUrl))['scope']?.split(' ').toSorted()).toEqual([
      'items.write',
      'offline_access',
      'openid',
    ]);
  });

  it('names the scopes of a route that were not granted, and the call works after the sign-in', async () => {
    const { stepUp, loginUrl } = await required('/admin/one');
    expect(stepUp).toEqual({ scopes: ['admin'] });
    const callback = await callbackOf(loginUrl);
    expect([callback.status, callback.header('location')]).toEqual([303, '/page']);
    expect((await agent.fetch('/admin/one')).status).toBe(200);
  });

  it('has a loginUrl that is bound to its session', async () => {
    weak(', acr_values="gold"');
    const { loginUrl } = await required();
    const other = await fixture.signedIn(program);
    const response = await other.get(`${loginUrl}&returnTo=/page`, { headers: NAVIGATION });
    expectAuthError(response, 'state_expired', '/page');
    expect(await askedBy(loginUrl, fixture.browser(program))).not.toHaveProperty('acr_values');
  });
});

describe('the callback of a step-up', () => {
  it('renews the session id and ends the old session when the sign-in brought what it had to', async () => {
    weak(', acr_values="gold"');
    const before = await sessionId();
    const former = fixture.browser(program, { like: agent });
    expect((await callbackOf((await required()).loginUrl)).header('location')).toBe('/page');
    fixture.upstream.respond(echo);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(await sessionId()).not.toBe(before);
    expectProblem(await former.fetch('/api/one'), 401, 'session_expired');
  });

  it.each<[string, string, () => void]>([
    ['acr', ', acr_values="gold"', () => (fixture.provider.stepUp = 'ignored')],
    ['auth_time', ', max_age="0"', () => (fixture.provider.stepUp = 'ignored')],
    ['subject', ', acr_values="gold"', () => (fixture.provider.user = 'mallory')],
  ])(
    'keeps the old session and says step_up_unmet when %s is not as required',
    async (_what, parameters, ignore) => {
      weak(parameters);
      const before = await sessionId();
      const { loginUrl } = await required();
      ignore();
      expectAuthError(await callbackOf(loginUrl), 'step_up_unmet', '/page');
      expect(await sessionId()).toBe(before);
      fixture.upstream.respond(echo);
      expect((await agent.fetch('/api/one')).status).toBe(200);
    },
  );
});
