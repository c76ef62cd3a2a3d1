import { beforeEach, describe, expect, it } from 'vitest';
import {
  openTestGatewayForEachTest,
  openTestGatewayForTest,
} from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

const CLEARED = 'coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict';

let testGateway: TestGateway;
/** Sends what the browser sent before it signed in again, in another tab. */
let otherTab: UserAgent;

openTestGatewayForEachTest((opened) => ({ testGateway } = opened));

beforeEach(async () => {
  const { agent, browser } = testGateway;
  await agent.signIn('/');
  otherTab = browser({ like: agent });
  await agent.signIn('/');
});

/** A response that clears the cookie would delete that of the new session, if the browser gets it later. */
describe('a late request with the cookie of a session that a sign-in has replaced', () => {
  it.each<[string, string, number]>([
    ['GET', '/api/one', 401],
    ['GET', '/auth/session', 200],
    ['POST', '/auth/session/extend', 401],
    ['GET', '/auth/sessions', 401],
  ])('clears no cookie: %s %s', async (method, path, status) => {
    const response = await otherTab.fetch(path, { method });
    expect(response.status).toBe(status);
    expect(response.setCookies).toEqual([]);
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
  });

  it('clears no cookie at another process', async () => {
    const elsewhere = testGateway.browser({ like: otherTab, at: await testGateway.replica() });
    const response = await elsewhere.fetch('/api/one');
    expect([response.status, response.setCookies]).toEqual([401, []]);
  });

  it('clears the cookie a minute later, when no response to the old session can be on its way', async () => {
    const { agent, browser, advance } = await openTestGatewayForTest();
    await agent.signIn('/');
    const later = browser({ like: agent });
    await agent.signIn('/');
    advance(60_001);
    expect((await later.fetch('/api/one')).setCookies).toEqual([CLEARED]);
  });

  it('clears the cookie when it is a sign-out', async () => {
    const response = await otherTab.fetch('/auth/logout', { method: 'POST' });
    expect(response.setCookies).toEqual([CLEARED]);
  });
});
