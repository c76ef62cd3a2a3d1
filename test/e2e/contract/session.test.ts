import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Program } from '../../../testkit/processes/program.ts';
import { logoutToken, postLogoutToken } from '../../../testkit/secrets/logout-token.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { expectProblem, NAVIGATION } from './responses.ts';

/** How long something may take to show, in milliseconds. */
const patiently = { timeout: 60_000, interval: 100 };

type Figures = { authenticated: boolean; sessionId: string; expiresIn: number; idleExpiresIn: number };

let fixture: Fixture;
let program: Program;

beforeAll(async () => {
  fixture = await openFixture();
  program = await fixture.start();
});

afterAll(() => fixture.close());

const visitor = () => fixture.browser(program);
const signedIn = (user?: string) => fixture.signedIn(program, user);
const sessionOf = async (agent: UserAgent) => (await agent.fetch('/auth/session')).json() as Figures;
const isSignedIn = async (agent: UserAgent) => (await sessionOf(agent)).authenticated;
const sidOf = () => fixture.provider.families.at(-1)?.grant.sid ?? '';
const logout = { method: 'POST' };

describe('GET /auth/session', () => {
  it('says that a visitor is not signed in, and where to sign in', async () => {
    const response = await visitor().fetch('/auth/session');
    expect([response.status, response.header('cache-control')]).toEqual([200, 'no-store']);
    expect(response.json()).toEqual({ authenticated: false, loginUrl: '/auth/login' });
  });

  it('says who is signed in and for how many seconds, and never a token', async () => {
    const response = await (await signedIn()).fetch('/auth/session');
    expect(response.json()).toEqual({
      authenticated: true,
      subject: 'alice',
      claims: expect.objectContaining({ sub: 'alice', name: 'Alice Example' }),
      sessionId: expect.any(String),
      expiresIn: expect.any(Number),
      idleExpiresIn: expect.any(Number),
      loginUrl: '/auth/login',
      logoutUrl: '/auth/logout',
    });
    const { expiresIn, idleExpiresIn } = response.json() as Figures;
    expect([Math.ceil(expiresIn / 60), Math.ceil(idleExpiresIn / 60)]).toEqual([12 * 60, 30]);
    const secrets = fixture.provider.secrets(['access_token', 'refresh_token', 'id_token']);
    expect(secrets.filter((secret) => response.text().includes(secret))).toEqual([]);
  });

  it('never extends the session, which POST /auth/session/extend does with 204', async () => {
    const agent = await signedIn();
    const { idleExpiresIn } = await sessionOf(agent);
    // Each look would extend it, if a look did.
    await expect
      .poll(async () => (await sessionOf(agent)).idleExpiresIn, patiently)
      .toBeLessThan(idleExpiresIn - 4);
    const response = await agent.fetch('/auth/session/extend', { method: 'POST' });
    expect([response.status, response.body.length, response.header('cache-control')]).toEqual([
      204,
      0,
      'no-store',
    ]);
    const extended = async () => {
      await agent.fetch('/auth/session/extend', { method: 'POST' });
      return (await sessionOf(agent)).idleExpiresIn;
    };
    await expect.poll(extended, patiently).toBeGreaterThan(idleExpiresIn - 4);
    expectProblem(await visitor().fetch('/auth/session/extend', logout), 401, 'session_required');
  });
});

describe('POST /auth/logout', () => {
  it('ends the session, revokes the refresh token and gives a fetch 200 with logoutUrl', async () => {
    const agent = await signedIn();
    const thief = fixture.browser(program, { like: agent });
    const response = await agent.fetch('/auth/logout', logout);
    expect([response.status, response.header('cache-control')]).toEqual([200, 'no-store']);
    expect(Object.keys(response.json() as object)).toEqual(['logoutUrl']);
    expect((response.json() as { logoutUrl: string }).logoutUrl).toContain('/end_session?');
    expect(agent.cookies.all()).toEqual([]);
    expect(fixture.provider.families.at(-1)?.endedBecause).toBe('revoked');
    expectProblem(await thief.fetch('/api/one'), 401, 'session_expired');
  });

  it("redirects a form to the provider's end-session URL with 303, and a visitor to postLogoutReturnTo", async () => {
    const form = { from: 'page', form: {} } as const;
    const { chain } = await (await signedIn()).navigate('/auth/logout', form);
    expect(chain[0]?.status).toBe(303);
    expect(chain[0]?.header('location')).toContain(`${fixture.provider.issuer}/end_session?`);
    const again = await visitor().navigate('/auth/logout', form);
    expect([again.chain[0]?.status, again.chain[0]?.header('location')]).toEqual([303, '/']);
    expect(again.chain[0]?.header('cache-control')).toBe('no-store');
  });
});

describe('POST /auth/backchannel-logout', () => {
  it('ends the sessions of a logout token with 200, and rejects a flaw with 400', async () => {
    const agent = await signedIn('carol');
    const token = await logoutToken(fixture.provider, { sub: 'carol' });
    expectProblem(await postLogoutToken(visitor(), `${token}x`), 400, 'bad_request');
    expectProblem(await postLogoutToken(visitor(), ''), 400, 'bad_request');
    expect(await isSignedIn(agent)).toBe(true);
    const response = await postLogoutToken(visitor(), token);
    expect([response.status, response.header('cache-control')]).toEqual([200, 'no-store']);
    expect(await isSignedIn(agent)).toBe(false);
    expectProblem(await postLogoutToken(visitor(), token), 400, 'bad_request');
  });
});

describe('GET /auth/frontchannel-logout', () => {
  it('ends the session named by iss and sid without a cookie', async () => {
    const agent = await signedIn();
    const leave = (iss: string) =>
      visitor().get(`/auth/frontchannel-logout?${new URLSearchParams({ iss, sid: sidOf() })}`, {
        headers: { ...NAVIGATION, 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' },
      });
    const other = await leave('https://evil.example');
    expect([other.status, await isSignedIn(agent)]).toEqual([200, true]);
    const response = await leave(fixture.provider.issuer);
    expect([response.status, response.header('cache-control')]).toEqual([200, 'no-store']);
    expect(await isSignedIn(agent)).toBe(false);
  });
});

describe('/auth/sessions', () => {
  it('lists my sessions, ends one of them, and ends all others', async () => {
    const [first, second, third] = [await signedIn('dave'), await signedIn('dave'), await signedIn('dave')];
    const stranger = await signedIn('erin');
    const list = await first.fetch('/auth/sessions');
    expect([list.status, list.header('cache-control')]).toEqual([200, 'no-store']);
    const { sessions } = list.json() as { sessions: { id: string; current: boolean }[] };
    expect(sessions).toHaveLength(3);
    expect(sessions.filter(({ current }) => current).map(({ id }) => id)).toEqual([
      (await sessionOf(first)).sessionId,
    ]);

    const remove = (agent: UserAgent, path: string) =>
      agent.fetch(`/auth/sessions${path}`, { method: 'DELETE' });
    const { sessionId } = await sessionOf(second);
    expectProblem(await remove(stranger, `/${sessionId}`), 404, 'not_found');
    const one = await remove(first, `/${sessionId}`);
    expect([one.status, one.header('cache-control')]).toEqual([204, 'no-store']);
    expect([await isSignedIn(second), await isSignedIn(third)]).toEqual([false, true]);
    expect((await remove(first, '')).status).toBe(204);
    expect([await isSignedIn(first), await isSignedIn(third), await isSignedIn(stranger)]).toEqual([
      true,
      false,
      true,
    ]);
    expectProblem(await visitor().fetch('/auth/sessions'), 401, 'session_required');
  });
});
