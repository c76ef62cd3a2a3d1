import { zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ProviderResponse } from '../../../testkit/fake-provider/messages.ts';
import {
  openVendorFixture,
  postLogin,
  type VendorFixture,
} from '../../../testkit/providers/vendor-fixture.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import { login } from '../../../testkit/gateway/login-steps.ts';

/** The lifetime of the access tokens here, in milliseconds. */
const LIFE = 300_000;
/** Longer than the circuit breaker pauses, in milliseconds. */
const PAUSE = 60_000;

/** Expects a 502, and that the session and its cookie are kept. */
function expectInvalidResponse(response: AgentResponse): void {
  expect(response.json()).toMatchObject({ status: 502, code: 'provider_invalid_response' });
  expect(response.setCookies).toEqual([]);
}

const unusable: [string, unknown][] = [
  ['is missing', undefined],
  ['is null', null],
  ['is empty', ''],
  ['is a number', 42],
  ['is an object', { value: 'canary' }],
  ['has a line break', 'canary\r\nX-Injected: 1'],
  ['has a NUL', 'canary\u0000'],
  ['has characters outside ASCII', 'canary-żółw'],
  ['begins with a space', ' canary'],
];

describe('a refresh whose response has a new refresh token and a flaw (standards: G15)', () => {
  let testGateway: TestGateway;

  beforeEach(async () => {
    testGateway = await openTestGatewayForTest();
    await testGateway.agent.signIn();
  });

  const flaw = (change: Record<string, unknown>) => {
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, ...change });
  };
  const call = (path = '/api/one') => testGateway.agent.fetch(path);
  const ledger = () => testGateway.provider.tokenLedger();

  it.each([
    ['no token_type', undefined],
    ['an unknown token_type', 'mac'],
    ['a token_type of DPoP', 'DPoP'],
    ['a token_type that is a number', 5],
  ])('is used when the response has %s', async (_what, type) => {
    flaw({ token_type: type });
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(testGateway.upstream.requests).toHaveLength(1);
    expect(ledger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
  });

  it.each(unusable)(
    'keeps the refresh token and responds 502 when the access token %s',
    async (_what, token) => {
      flaw({ access_token: token });
      testGateway.advance(LIFE);
      expectInvalidResponse(await call());
      expect(testGateway.upstream.requests).toEqual([]);
      expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
      expect(ledger()).toMatchObject([
        { spent: 1, reuses: 0 },
        { spent: 0, familyAlive: true },
      ]);

      testGateway.provider.patchTokenResponse = undefined;
      testGateway.advance(PAUSE);
      expect((await call()).status).toBe(200);
      expect(ledger()).toMatchObject([
        { spent: 1, reuses: 0 },
        { spent: 1, reuses: 0 },
        { spent: 0, familyAlive: true },
      ]);
    },
  );

  it('keeps using a valid access token while the provider returns unusable ones', async () => {
    flaw({ access_token: '' });
    testGateway.advance(LIFE * 0.9);
    for (const path of ['/api/one', '/api/two']) expect((await call(path)).status).toBe(200);
    const sent = testGateway.upstream.requests.map(({ bearer }) => bearer);
    expect(new Set(sent).size).toBe(1);
  });

  it('responds 502, not 401, when the API rejected the old access token', async () => {
    expect((await call()).status).toBe(200);
    testGateway.provider.revokeAccessToken(testGateway.upstream.requests[0]?.bearer ?? '');
    flaw({ access_token: 42 });
    expectInvalidResponse(await call());
    expect(ledger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
  });

  it('pauses the refreshes of its session', async () => {
    flaw({ access_token: null });
    testGateway.advance(LIFE);
    testGateway.stopClock();
    for (let at = 0; at < 10; at += 1) expect((await call()).status).toBeGreaterThanOrEqual(502);
    expect(testGateway.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect(ledger().map(({ reuses }) => reuses)).toEqual([0, 0]);
  });

  it.each<[string, Partial<ProviderResponse>]>([
    ['is labelled as text', { headers: { 'content-type': 'text/html' } }],
    ['has the status 201', { status: 201 }],
    ['has the status 202', { status: 202 }],
    ['has the status 206', { status: 206 }],
  ])('is used when the response %s', async (_what, change) => {
    testGateway.provider.patchTokenMessage = (message) => ({ ...message, ...change });
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(ledger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
  });

  it('is used when the response is compressed with zstd, which the request does not accept', async () => {
    testGateway.provider.patchTokenMessage = ({ body, ...message }) => ({
      ...message,
      headers: { 'content-type': 'application/json', 'content-encoding': 'zstd' },
      body: zstdCompressSync(JSON.stringify(body)),
    });
    testGateway.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(ledger()).toMatchObject([
      { spent: 1, reuses: 0 },
      { spent: 0, familyAlive: true },
    ]);
  });

  it.each<[string, () => ProviderResponse]>([
    ['is 204 without a body', () => ({ status: 204 })],
    ['is 200 without a body', () => ({ status: 200 })],
    [
      'has a content coding that nobody knows',
      () => ({ status: 200, headers: { 'content-encoding': 'x-own' }, body: Buffer.of(0xff, 0x00) }),
    ],
  ])('counts as without a response when the response %s', async (_what, message) => {
    testGateway.provider.patchTokenMessage = message;
    testGateway.provider.rotate = 'same';
    testGateway.advance(LIFE);
    expect((await call()).json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    // As after a 5xx: once more, because the provider may have processed the request.
    expect(ledger()[0]).toMatchObject({ spent: 2 });
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
    testGateway.provider.patchTokenMessage = undefined;
    testGateway.advance(PAUSE);
    expect((await call()).status).toBe(200);
  });

  it.each(unusable)('does not sign anybody in when the access token of a login %s', async (_what, token) => {
    flaw({ access_token: token });
    const other = testGateway.browser();
    const response = await login(other);
    expect(response.status).toBe(400);
    expect(other.cookies.all()).toEqual([]);
  });
});

describe('a refresh at a vendor API whose response has a new refresh token and a flaw', () => {
  let fixture: VendorFixture;

  beforeEach(async () => {
    fixture = await openVendorFixture();
    return () => fixture.close();
  });

  it.each(unusable)('keeps the refresh token when the access token %s', async (_what, token) => {
    fixture.vendor.lifeSeconds = 300;
    const agent = fixture.browser();
    await postLogin(agent);
    fixture.vendor.patch = (json) => ({ ...json, token });
    fixture.advance(LIFE);
    expectInvalidResponse(await agent.fetch('/api/one'));
    fixture.vendor.patch = undefined;
    fixture.advance(PAUSE);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(fixture.vendor.tokenLedger().map(({ spent }) => spent)).toEqual([1, 1, 0]);
  });
});
