import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { echo, inSequence, status } from '../../../testkit/upstream/behaviours.ts';
import { UpgradeRefused } from '../../../testkit/user-agent/web-socket.ts';

const INVALID_TOKEN = 'Bearer error="invalid_token"';
const WEAK = 'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="60"';
const NARROW = 'Bearer error="insufficient_scope", scope="items.write items.admin"';
const LOGIN_URL = /^\/auth\/login\?stepUp=[\w*~.%-]+$/;

describe('a call that an API wants another sign-in for', () => {
  let testGateway: TestGateway;

  beforeEach(async () => {
    testGateway = await openTestGateway();
    await testGateway.agent.signIn();
  });
  afterEach(() => testGateway.close());

  const challenge = (code: number, value: string) => status(code, { 'www-authenticate': value }, 'as it is');
  const stepUps = async () => {
    const metrics = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
    return Number(/^coatcheck_upstream_401_total\{action="step_up"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };

  it.each([
    ['401 with insufficient_user_authentication', 401, WEAK, { acrValues: ['gold', 'silver'], maxAge: 60 }],
    ['403 with insufficient_scope', 403, NARROW, { scopes: ['items.write', 'items.admin'] }],
    ['401 with insufficient_scope', 401, NARROW, { scopes: ['items.write', 'items.admin'] }],
    ['401 that names nothing', 401, 'Bearer error="insufficient_user_authentication"', {}],
  ])('gets 401 step_up_required that says what it takes after a %s', async (_what, code, value, stepUp) => {
    testGateway.upstream.respond(challenge(code, value));
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.status).toBe(401);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.json()).toMatchObject({
      code: 'step_up_required',
      stepUp,
      loginUrl: expect.stringMatching(LOGIN_URL),
    });
    expect(response.json()).toHaveProperty('stepUp', stepUp);
    expect(response.header('www-authenticate')).toBeUndefined();
    expect(response.setCookies).toEqual([]);
    expect(await stepUps()).toBe(1);
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(0);
  });

  it.each([
    ['a 403 without a scope', 403, 'Bearer error="insufficient_scope"'],
    ['a 403 without a challenge of Bearer', 403, 'Basic error="insufficient_scope", scope="admin"'],
    ['a 401 with insufficient_scope and no scope', 401, 'Bearer error="insufficient_scope"'],
  ])('passes when it is %s', async (_what, code, value) => {
    testGateway.upstream.respond(challenge(code, value));
    const response = await testGateway.agent.fetch('/api/one');
    expect([response.status, response.text()]).toEqual([code, 'as it is']);
    expect(await stepUps()).toBe(0);
  });

  it('passes when the call was anonymous', async () => {
    testGateway.upstream.respond(challenge(403, NARROW));
    expect((await testGateway.agent.fetch('/public/one')).status).toBe(403);
  });

  it.each([
    ['401', 401, WEAK],
    ['403', 403, NARROW],
  ])(
    'gets it for a %s to the replay, and a later invalid_token is still refreshed',
    async (_what, code, value) => {
      testGateway.upstream.respond(inSequence(challenge(401, INVALID_TOKEN), challenge(code, value)));
      const response = await testGateway.agent.fetch('/api/one', { method: 'POST', body: 'x' });
      expect(response.json()).toMatchObject({ code: 'step_up_required' });
      testGateway.upstream.respond(inSequence(challenge(401, INVALID_TOKEN), echo));
      expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
      expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(2);
    },
  );

  it.each([
    ['401', 401, WEAK, { acrValues: ['gold', 'silver'], maxAge: 60 }],
    ['403', 403, NARROW, { scopes: ['items.write', 'items.admin'] }],
  ])('gets it in place of a WebSocket after a %s', async (_what, code, value, stepUp) => {
    testGateway.upstream.rejectUpgrades(code, value);
    const refused = await testGateway.agent.websocket('/socket').catch((error: unknown) => error);
    if (!(refused instanceof UpgradeRefused)) throw new Error('the upgrade was not refused');
    expect(refused.status).toBe(401);
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'step_up_required',
      stepUp,
      loginUrl: expect.stringMatching(LOGIN_URL),
    });
    expect(await stepUps()).toBe(1);
  });

  it('has a login URL of bounded length, whatever the API says', async () => {
    const many = Array.from({ length: 900 }, (_, at) => `v${at}`).join(' ');
    testGateway.upstream.respond(
      challenge(
        401,
        `Bearer error="insufficient_user_authentication", acr_values="${many}", scope="${many}"`,
      ),
    );
    const { loginUrl } = (await testGateway.agent.fetch('/api/one')).json() as { loginUrl: string };
    expect(loginUrl.length).toBeLessThan(4_000);
  });
});
