import { describe, expect, it } from 'vitest';
import { refreshUrlOf } from '../../../../testkit/gateway/login-steps.ts';
import { openTestGatewayForTest } from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import { startFakeProvider } from '../../../../testkit/fake-provider/fake-provider.ts';
import type { AgentResponse } from '../../../../testkit/user-agent/transport.ts';

const MARKER = 'coatcheck-signed-out=1; Path=/; HttpOnly; SameSite=Lax';

/** The header fields of a page that navigates by itself, without a click. */
const BY_ITSELF = {
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};

const ELSEWHERE = { 'sec-fetch-user': '?1', 'sec-fetch-site': 'cross-site' };

/** Opens a gateway whose provider has no logout endpoint, so that it never learns of a sign-out. */
async function openGateway() {
  const provider = await startFakeProvider({ metadata: { end_session_endpoint: undefined } });
  const { agent, gateway } = await openTestGatewayForTest({ provider });
  await agent.signIn();
  return {
    agent,
    gateway,
    signInByItself: (query = '', headers = {}) =>
      agent.get(`/auth/login${query}`, { headers: { ...BY_ITSELF, ...headers } }),
  };
}

/** Whether a response leads to the provider. */
const isStarted = ({ status, header }: AgentResponse) =>
  status === 302 && header('location')?.includes('/authorize?') === true;

describe('a sign-in that a page starts by itself after a sign-out that the provider has not learned of', () => {
  it.each([
    ['a form', { ...BY_ITSELF, 'content-type': 'application/x-www-form-urlencoded' }],
    ['a fetch', { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }],
  ])('shows a page with a button, after a sign-out by %s', async (_how, headers) => {
    const { agent, signInByItself } = await openGateway();
    const signOut = await agent.post('/auth/logout', { headers });
    expect(signOut.setCookies).toContain(MARKER);

    const response = await signInByItself('?returnTo=/inbox%3F%22%3E');
    expect([response.status, response.header('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(response.header('cache-control')).toBe('no-store');
    expect(response.setCookies).toEqual([]);
    const link = 'href="/auth/login?returnTo=%2Finbox%3F%22%3E&#38;continued=1"';
    expect(response.text()).toContain(link);
    expect(response.text()).toContain('You have signed out');

    // Browsers that do not tell of a click open the link, too.
    const next = await signInByItself('?returnTo=/inbox%3F%22%3E&continued=1');
    expect(isStarted(next)).toBe(true);
  });

  it('fails with login_required for prompt=none', async () => {
    const { agent, signInByItself } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    const response = await signInByItself('?prompt=none&returnTo=/inbox');
    expect(response.status).toBe(303);
    expect(response.header('location')).toMatch(/^\/inbox\?auth_error=login_required&/);
  });

  it.each([
    ['a click or a key', { 'sec-fetch-user': '?1' }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
  ])('goes on for %s', async (_what, headers) => {
    const { agent, signInByItself } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    expect(isStarted(await signInByItself('', headers))).toBe(true);
  });

  it('goes on for a click on another site, by a page of the gateway', async () => {
    const { agent, signInByItself } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    const page = await signInByItself('', ELSEWHERE);
    const next = refreshUrlOf(page);
    expect(isStarted(await signInByItself(next.slice(next.indexOf('?'))))).toBe(true);
  });

  it('goes on for a client that sends no fetch metadata', async () => {
    const { agent } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    expect(isStarted(await agent.get('/auth/login'))).toBe(true);
  });

  it('does not go on because another site says that it continues', async () => {
    const { agent, signInByItself } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    const response = await signInByItself('?continued=1', { 'sec-fetch-site': 'cross-site' });
    expect(response.text()).toContain('You have signed out');
  });

  it('goes on as before once somebody has signed in', async () => {
    const { agent, signInByItself } = await openGateway();
    await agent.fetch('/auth/logout', { method: 'POST' });
    const { chain } = await agent.signIn();
    expect(chain.flatMap(({ setCookies }) => setCookies)).toContain(
      'coatcheck-signed-out=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax',
    );
    expect(isStarted(await signInByItself())).toBe(true);
  });

  it('goes on after a sign-out without a session, as by a form of another site', async () => {
    const { agent, gateway, signInByItself } = await openGateway();
    const stranger = await fetch(`${gateway.url}/auth/logout`, {
      method: 'POST',
      headers: { 'x-csrf': '1' },
    });
    expect(stranger.headers.getSetCookie()).toEqual([]);
    expect(isStarted(await signInByItself())).toBe(true);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });
});

it('a sign-out that the provider learns of leaves the next sign-in alone', async () => {
  const { agent } = await openTestGatewayForTest();
  await agent.signIn();
  await agent.fetch('/auth/logout', { method: 'POST' });
  expect(isStarted(await agent.get('/auth/login', { headers: BY_ITSELF }))).toBe(true);
});
