import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import {
  type Behaviour,
  echo,
  inSequence,
  requireToken,
  status,
} from '../../../testkit/upstream/behaviours.ts';

/** The login URL of a step-up. */
/** The login URL of a step-up. */
const STEP_UP_LOGIN = /^\/auth\/login\?stepUp=/;
const INVALID_TOKEN = { 'www-authenticate': 'Bearer error="invalid_token"' };
/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

let testGateway: TestGateway;

beforeEach(async () => {
  testGateway = await openTestGatewayForTest();
  await testGateway.agent.signIn();
});

const refreshes = () => testGateway.provider.tokenCalls({ grant: 'refresh_token' });
const bearers = () => testGateway.upstream.requests.map(({ bearer }) => bearer);
const issued = () => testGateway.provider.families[0]?.accessTokens.map(({ token }) => token) ?? [];
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
/** Bytes of every value, none of which is text. */
const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 31) % 256));

/** Ends the newest access token before its expiry. */
function revokeToken(): void {
  testGateway.provider.revokeAccessToken(issued().at(-1) ?? '');
}

async function metric(line: string): Promise<number> {
  const text = await (await fetch(`${testGateway.gateway.adminUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((each) => each.startsWith(`coatcheck_${line} `))
      ?.split(' ')[1] ?? 0,
  );
}

describe('an access token that an upstream rejects before its expiry (standards: G8)', () => {
  beforeEach(revokeToken);

  it('is refreshed once and the call is replayed with the new token', async () => {
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.status).toBe(200);
    expect(bearers()).toEqual(issued());
    expect(refreshes()).toBe(1);
    expect(await metric('upstream_401_total{action="replayed"}')).toBe(1);
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
    'causes a replay with the unchanged body for %s (standards: G10)',
    async (method) => {
      const body = bytes(10_000);
      // Without a length Node's client would send the body of a DELETE unframed.
      const headers = { 'content-type': 'application/octet-stream', 'content-length': `${body.length}` };
      const response = await testGateway.agent.fetch('/api/one', { method, headers, body });
      expect(response.status).toBe(200);
      expect(
        testGateway.upstream.requests.map((received) => [
          received.method,
          received.status,
          received.bodySha256,
        ]),
      ).toEqual([
        [method, 401, sha256(body)],
        [method, 200, sha256(body)],
      ]);
    },
  );

  it('causes a replay with a short body of unknown length', async () => {
    const body = bytes(10_000);
    const response = await testGateway.agent.fetch('/api/one', {
      method: 'POST',
      body: Readable.from([body.subarray(0, 7), body.subarray(7)]),
    });
    expect(response.status).toBe(200);
    expect(testGateway.upstream.requests.map(({ bodySha256 }) => bodySha256)).toEqual([
      sha256(body),
      sha256(body),
    ]);
  });

  it('is refreshed once for fifty calls, each of which is sent at most twice', async () => {
    const paths = Array.from({ length: 50 }, (_, at) => `/api/${at}`);
    const responses = await Promise.all(paths.map((path) => testGateway.agent.fetch(path)));
    expect(responses.map((response) => response.status)).toEqual(Array(50).fill(200));
    expect(refreshes()).toBe(1);
    for (const path of paths) {
      const made = testGateway.upstream.requests.filter(({ target }) => target === path);
      expect(made.length).toBeLessThanOrEqual(2);
      expect(made.at(-1)?.bearer).toBe(issued()[1]);
    }
  });

  it('is not refreshed again for a call that was in progress with the old token', async () => {
    const gate = Promise.withResolvers<void>();
    const strict = requireToken(testGateway.provider.isAccessTokenActive);
    const slow: Behaviour = async (request, response, record) => {
      await gate.promise;
      await strict(request, response, record);
    };
    testGateway.upstream.respond(inSequence(slow, strict));
    const late = testGateway.agent.fetch('/api/late');
    await vi.waitFor(() => expect(testGateway.upstream.requests).toHaveLength(1), PATIENCE);
    expect((await testGateway.agent.fetch('/api/early')).status).toBe(200);
    gate.resolve();
    expect((await late).status).toBe(200);
    expect(refreshes()).toBe(1);
    expect(bearers()).toEqual([issued()[0], issued()[0], issued()[1], issued()[1]]);
  });

  it('is refreshed in the background when the body is too large to replay and the 401 is passed on (standards: G10)', async () => {
    const response = await testGateway.agent.fetch('/api/upload', { method: 'POST', body: bytes(100_000) });
    expect(response.status).toBe(401);
    expect(response.header('www-authenticate')).toBe('Bearer error="invalid_token"');
    expect(testGateway.upstream.requests).toHaveLength(1);
    await vi.waitFor(async () => {
      expect(await metric('refresh_total{outcome="refreshed"}')).toBe(1);
    }, PATIENCE);
    expect(
      (await testGateway.agent.fetch('/api/upload', { method: 'POST', body: bytes(100_000) })).status,
    ).toBe(200);
    expect(refreshes()).toBe(1);
    expect(testGateway.upstream.requests.at(-1)?.bearer).toBe(issued()[1]);
  });

  it('gets a 503 with Retry-After, not a bare 401, and keeps the session when the provider is away', async () => {
    await testGateway.provider.stop();
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(response.setCookies).toEqual([]);
    await testGateway.provider.start();
    testGateway.advance(60_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('ends the session when the provider rejects the refresh token', async () => {
    testGateway.provider.invalidateSession({ user: 'alice' });
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.json()).toMatchObject({ status: 401, code: 'session_expired', loginUrl: '/auth/login' });
    expect(response.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
    expect(response.header('www-authenticate')).toBeUndefined();
    expect(testGateway.agent.cookies.all()).toEqual([]);
  });

  it('is not refreshed on a route without a token', async () => {
    const response = await testGateway.agent.fetch('/public/one');
    expect(response.status).toBe(401);
    expect((await testGateway.browser().fetch('/optional/one')).status).toBe(401);
    expect(refreshes()).toBe(0);
  });
});

describe('an upstream that rejects every token', () => {
  it('causes one refresh instead of one per call and its own 401 is passed on', async () => {
    testGateway.upstream.respond(status(401, { ...INVALID_TOKEN, 'content-type': 'text/plain' }, 'never'));
    for (let each = 0; each < 20; each += 1) {
      const response = await testGateway.agent.fetch('/api/one');
      expect([response.status, response.text()]).toEqual([401, 'never']);
      expect(response.header('content-type')).toBe('text/plain');
      expect(response.setCookies).toEqual([]);
    }
    expect(refreshes()).toBe(1);
    expect(testGateway.upstream.requests).toHaveLength(21);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
  });

  it('causes few refreshes with concurrent calls and expiring tokens', async () => {
    testGateway.upstream.respond(status(401, INVALID_TOKEN, 'never'));
    for (let round = 0; round < 5; round += 1) {
      const responses = await Promise.all(
        Array.from({ length: 20 }, (_, at) => testGateway.agent.fetch(`/api/${at}`)),
      );
      expect(responses.map((response) => [response.status, response.text()])).toEqual(
        Array(20).fill([401, 'never']),
      );
      testGateway.advance(10_000);
    }
    expect(refreshes()).toBeLessThanOrEqual(3);
  });

  it('does not affect the token for another route', async () => {
    testGateway.upstream.respond((request, response, record) => {
      const behaviour = record.target.startsWith('/api/broken') ? status(401, INVALID_TOKEN) : echo;
      return behaviour(request, response, record);
    });
    expect((await testGateway.agent.fetch('/api/broken')).status).toBe(401);
    expect((await testGateway.agent.fetch('/optional/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });

  it('causes normal handling again once it accepts a token', async () => {
    testGateway.upstream.respond(status(401, INVALID_TOKEN));
    await testGateway.agent.fetch('/api/one');
    await testGateway.agent.fetch('/api/one');
    testGateway.upstream.respond(requireToken(testGateway.provider.isAccessTokenActive));
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
  });
});

describe('the response of an upstream (standards: G9)', () => {
  it.each<[string, number, string[]]>([
    ['a 401 without a challenge', 401, []],
    ['a 401 that asks for a bearer token', 401, ['Bearer']],
    ['a 401 that names its realm', 401, ['Bearer realm="api, of the realm", charset="UTF-8"']],
    [
      'a 401 with invalid_token',
      401,
      ['Bearer error="invalid_token", error_description="expired, long ago"'],
    ],
    ['a 401 with invalid_token and other letter case', 401, ['BEARER Error="invalid_token"']],
    ['a 401 with unquoted invalid_token', 401, ['Bearer error=invalid_token']],
    [
      'a 401 with invalid_token after another challenge',
      401,
      ['Basic realm="a, b", Bearer error="invalid_token"'],
    ],
    ['a 401 with invalid_token in a second field', 401, ['Negotiate', 'Bearer error="invalid_token"']],
  ])('causes a replay with another token when it is %s', async (_what, code, challenges) => {
    const headers = challenges.length === 0 ? {} : { 'www-authenticate': challenges };
    testGateway.upstream.respond(inSequence(status(code, headers), echo));
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    expect(refreshes()).toBe(1);
    expect(bearers()).toEqual(issued());
  });

  it.each<[string, number, string[]]>([
    ['a 401 with invalid_request', 401, ['Bearer error="invalid_request"']],
    ['a 401 with insufficient_scope and no scope', 401, ['Bearer error="insufficient_scope"']],
    [
      'a 401 with invalid_token only in the description',
      401,
      ['Bearer error="invalid_request", error_description="invalid_token"'],
    ],
    ['a 401 that asks for a password', 401, ['Basic realm="x"']],
    ['a 401 that asks for a DPoP nonce', 401, ['DPoP error="use_dpop_nonce"']],
    ['a 403 with insufficient_scope', 403, ['Bearer error="insufficient_scope"']],
    ['a 403 with invalid_token', 403, ['Bearer error="invalid_token"']],
    ['a 407', 407, ['Bearer error="invalid_token"']],
    ['a 200 with a challenge', 200, ['Bearer error="invalid_token"']],
  ])('is passed on when it is %s', async (_what, code, challenges) => {
    testGateway.upstream.respond(status(code, { 'www-authenticate': challenges }, 'as it is'));
    const response = await testGateway.agent.fetch('/api/one');
    expect([response.status, response.text()]).toEqual([code, 'as it is']);
    expect(response.header('www-authenticate') ?? '').not.toMatch(/Basic|Negotiate/i);
    expect(testGateway.upstream.requests).toHaveLength(1);
    expect(refreshes()).toBe(0);
  });

  it.each([
    ['alone', ['Bearer error="insufficient_user_authentication", acr_values="2fa", max_age="60"']],
    [
      'together with other challenges',
      ['Bearer error="invalid_token", Bearer error="insufficient_user_authentication"'],
    ],
  ])(
    'becomes a step-up response when it is a 401 with insufficient_user_authentication %s',
    async (_what, challenges) => {
      testGateway.upstream.respond(
        status(401, { 'www-authenticate': challenges }, 'secret text of the upstream'),
      );
      const response = await testGateway.agent.fetch('/api/one');
      expect(response.json()).toMatchObject({
        status: 401,
        code: 'step_up_required',
        loginUrl: expect.stringMatching(STEP_UP_LOGIN),
      });
      expect(response.setCookies).toEqual([]);
      expect(response.text()).not.toContain('secret text');
      expect(testGateway.upstream.requests).toHaveLength(1);
      expect(refreshes()).toBe(0);
      expect(await metric('upstream_401_total{action="step_up"}')).toBe(1);
    },
  );

  it('becomes a step-up response after a replay as well', async () => {
    const challenge = 'Bearer error="insufficient_user_authentication"';
    testGateway.upstream.respond(
      inSequence(status(401, INVALID_TOKEN), status(401, { 'www-authenticate': challenge })),
    );
    const response = await testGateway.agent.fetch('/api/one');
    expect(response.json()).toMatchObject({
      status: 401,
      code: 'step_up_required',
      loginUrl: expect.stringMatching(STEP_UP_LOGIN),
    });
    expect(bearers()).toEqual(issued());
    expect(await metric('upstream_401_total{action="step_up"}')).toBe(1);
    // The token was valid: the next rejected call may get another one.
    testGateway.upstream.respond(inSequence(status(401, INVALID_TOKEN), echo));
    expect((await testGateway.agent.fetch('/api/two')).status).toBe(200);
  });

  it('becomes a step-up response to a call with trailers as well', async () => {
    const challenge = 'Bearer error="insufficient_user_authentication"';
    testGateway.upstream.respond(
      status(401, { 'www-authenticate': challenge }, 'secret text of the upstream'),
    );
    const url = new URL(testGateway.gateway.url);
    const head = [
      'POST /api/one HTTP/1.1',
      `Host: ${url.host}`,
      `Cookie: ${testGateway.agent.cookies.header(url, { crossSite: false, topLevelGet: false })}`,
      'Sec-Fetch-Site: same-origin',
      'Transfer-Encoding: chunked',
      'Trailer: X-Sum',
    ].join('\r\n');
    const response = await rawRequest(testGateway.gateway.port, `${head}\r\n\r\n0\r\nX-Sum: 1\r\n\r\n`);
    expect(JSON.parse(response.body.toString())).toMatchObject({ status: 401, code: 'step_up_required' });
  });
});
