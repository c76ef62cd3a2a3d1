import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import type { Approvals } from '../../../testkit/providers/approvals.ts';
import { startBank } from '../../../testkit/providers/bank.ts';
import { startCibaProvider } from '../../../testkit/providers/ciba.ts';
import type { EndpointRequest, EndpointServer } from '../../../testkit/providers/endpoint-server.ts';
import type { ProviderFake } from '../../../testkit/providers/provider-fake.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { until } from '../../../testkit/until.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { beginLogin, finishLogin } from '../../../testkit/gateway/login-steps.ts';

type Decoupled = ProviderFake & {
  approvals: Approvals;
  approvalSeconds: number | undefined;
  server: EndpointServer;
};

// Only `advance` moves the common clock, so that a slow machine cannot fail a test.
let nowMs = Date.now();
const clock = () => nowMs;
const advance = (seconds: number) => (nowMs += seconds * 1000);

let provider: Decoupled;
let upstream: Upstream;
let gateway: RunningGateway;
let agent: UserAgent;
const opened: { close(): unknown }[] = [];

function open<Opened extends { close(): unknown }>(thing: Opened): Opened {
  opened.unshift(thing);
  return thing;
}

async function start(kind: Decoupled, options: { store?: string; config?: Record<string, unknown> } = {}) {
  provider = open(kind);
  upstream = open(await startUpstream());
  upstream.respond(requireToken(provider.isAccessTokenActive));
  gateway = open(await startGateway({ provider, upstream, clock, ...options }));
  agent = browser();
}

function browser(at: RunningGateway = gateway): UserAgent {
  return open(createUserAgent(gateway.url, { connect: { host: '127.0.0.1', port: at.port }, clock }));
}

const ADMIN_TOKEN = 'canary-admin-token.of_the~decoupled-tests';

/** The page writes the binding message. */
const patterned = {
  config: { provider: { bindingMessage: '^[A-Z0-9]{5}$' }, admin: { token: ADMIN_TOKEN } },
};

const begin = (body: object = { login_hint: 'alice' }, headers = {}, from = agent) =>
  from.fetch('/auth/decoupled', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const poll = (from = agent) => from.fetch('/auth/decoupled');
const session = async (from = agent) => (await from.fetch('/auth/session')).json();
const asked = () => provider.approvals.all.flatMap(({ askedAtMs }) => askedAtMs).length;
const approval = () => {
  const last = provider.approvals.all.at(-1);
  if (last === undefined) throw new Error('nobody was asked');
  return last;
};

afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
  nowMs = Date.now();
});

describe.each([
  ['OpenID CIBA', startCibaProvider, 'alice'],
  ['the decoupled endpoints of a bank', startBank, 'customer-alice'],
] as const)('a sign-in on another device by %s', (_kind, startProvider, subject) => {
  beforeEach(async () => start(await startProvider(clock), patterned));

  it('starts with 202 and completes with the session cookie when the browser polls after approval', async () => {
    const begun = await begin({ login_hint: 'alice', binding_message: 'W4SCT' });
    expect(begun.status).toBe(202);
    expect(begun.json()).toEqual({ status: 'pending', expiresIn: 120, interval: 1 });
    expect(begun.header('cache-control')).toBe('no-store');
    expect(begun.setCookies).toEqual([
      expect.stringMatching(/^coatcheck-decoupled=.+; Path=\/; Max-Age=180; HttpOnly; SameSite=Strict$/),
    ]);
    expect(approval()).toMatchObject({ loginHint: 'alice', bindingMessage: 'W4SCT' });

    advance(1);
    const pending = await poll();
    expect(pending.status).toBe(202);
    expect(pending.json()).toEqual({ status: 'pending', expiresIn: 119, interval: 1 });
    expect(await session()).toMatchObject({ authenticated: false });

    approval().state = 'approved';
    advance(1);
    const complete = await poll();
    expect(complete.status).toBe(200);
    expect(complete.json()).toEqual({ status: 'complete' });
    expect(complete.setCookies).toEqual([
      'coatcheck-decoupled=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict',
      expect.stringMatching(/^coatcheck=.+; HttpOnly; SameSite=Strict$/),
    ]);
    expect(await session()).toMatchObject({ authenticated: true, subject });
    expect((await agent.fetch('/api/one')).status).toBe(200);
    advance(301);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect((await poll()).status).toBe(404);
  });

  it('gives no session to another browser with or without the identifier of the sign-in (standards: H13)', async () => {
    await begin();
    approval().state = 'approved';
    advance(1);
    const stranger = browser();
    const { id } = approval();
    expect((await poll(stranger)).status).toBe(404);
    for (const value of [id, encodeURIComponent(JSON.stringify({ id, expiresAtMs: clock() + 60_000 }))]) {
      stranger.setCookie(`coatcheck-decoupled=${value}; Path=/`);
      const response = await stranger.fetch(`/auth/decoupled?auth_req_id=${id}&code=${id}`);
      expect(response.status).toBe(404);
      expect(response.setCookies).toEqual([]);
    }
    expect(asked()).toBe(0);
    expect(agent.received()).not.toContain(id);
    expect((await poll()).status).toBe(200);
  });

  it('polls the provider once per interval however often the browser polls (standards: H13)', async () => {
    await begin();
    for (let at = 0; at < 20; at += 1) {
      const responses = await Promise.all([poll(), poll(), poll()]);
      expect(responses.map(({ status }) => status)).toEqual([202, 202, 202]);
      advance(0.25);
    }
    expect(asked()).toBe(4);
    expect(provider.approvals.tooEarly()).toBe(0);
  });

  it('polls less often once the provider asks for it (standards: H13)', async () => {
    await begin();
    approval().wantsSlower = true;
    advance(1);
    expect((await poll()).json()).toMatchObject({ status: 'pending', interval: 6 });
    for (let at = 0; at < 12; at += 1) {
      advance(1);
      expect((await poll()).json()).toMatchObject({ interval: 6 });
    }
    expect(asked()).toBe(3);
    expect(provider.approvals.tooEarly()).toBe(0);
  });

  it('uses an interval of five seconds when the provider names none', async () => {
    provider.approvals.intervalSeconds = undefined;
    expect((await begin()).json()).toMatchObject({ interval: 5 });
    advance(4.9);
    await poll();
    expect(asked()).toBe(0);
    advance(0.1);
    await poll();
    expect(asked()).toBe(1);
  });

  it.each([
    [1e9, 60],
    [90, 60],
    [0.001, 1],
  ])('bounds an interval of %d seconds', async (intervalSeconds, expected) => {
    provider.approvals.intervalSeconds = intervalSeconds;
    expect((await begin()).json()).toMatchObject({ status: 'pending', interval: expected });
    approval().intervalMs = 0;
    approval().state = 'approved';
    advance(expected);
    expect((await poll()).status).toBe(200);
  });

  it('bounds an interval longer than half of the sign-in, so that a poll is due before its end', async () => {
    provider.approvals.intervalSeconds = 90;
    provider.approvalSeconds = 60;
    expect((await begin()).json()).toMatchObject({ expiresIn: 60, interval: 30 });
  });

  it('polls the provider at most every 50 milliseconds, however short its interval is', async () => {
    provider.approvals.intervalSeconds = 0.001;
    await begin();
    for (let ms = 0; ms < 100; ms += 10) {
      await poll();
      advance(0.01);
    }
    expect(asked()).toBe(1);
  });

  it('does not extend the interval beyond a minute, however often the provider asks for it', async () => {
    provider.approvals.intervalSeconds = 50;
    provider.approvalSeconds = 3_000;
    await begin();
    for (let at = 0; at < 5; at += 1) {
      approval().intervalMs = 0;
      approval().wantsSlower = true;
      advance(60);
      await poll();
    }
    expect((await poll()).json()).toMatchObject({ interval: 60 });
  });

  it.each([
    ['denied', 403, 'login_denied'],
    ['expired', 410, 'login_expired'],
  ] as const)(
    'ends when it is %s, responds %d and clears its cookie (standards: H13)',
    async (state, status, code) => {
      await begin();
      approval().state = state;
      advance(1);
      const response = await poll();
      expect(response.status).toBe(status);
      expect(response.header('content-type')).toBe('application/problem+json');
      expect(response.json()).toMatchObject({ code });
      expect(response.setCookies).toEqual([expect.stringMatching(/^coatcheck-decoupled=; .*Max-Age=0/)]);
      expect(await session()).toMatchObject({ authenticated: false });
      expect((await poll()).status).toBe(404);
      expect(asked()).toBe(1);
    },
  );

  it('succeeds when it was approved before its end and is polled just after it', async () => {
    await begin();
    approval().state = 'approved';
    advance(125);
    expect((await poll()).status).toBe(200);
    expect(await session()).toMatchObject({ authenticated: true, subject });
  });

  it('expires at its end while the provider still waits, and is not polled again', async () => {
    await begin();
    advance(121);
    expect((await poll()).status).toBe(410);
    expect(asked()).toBe(1);
    expect((await poll()).status).toBe(404);
  });

  it('expires a minute after its lifetime without another request to the provider', async () => {
    const kept = browser();
    const [cookie = ''] = (await begin()).setCookies;
    advance(180);
    kept.setCookie(cookie.replace(/Max-Age=\d+; /, ''));
    expect((await poll(kept)).status).toBe(410);
    expect(asked()).toBe(0);
  });

  it('starts no second session when its cookie is reused after completion', async () => {
    const [cookie = ''] = (await begin()).setCookies;
    approval().state = 'approved';
    advance(1);
    await poll();
    const kept = browser();
    kept.setCookie(cookie);
    advance(10);
    const response = await poll(kept);
    expect(response.status).toBe(410);
    expect(asked()).toBe(1);
  });

  it('replaces the existing session of the browser and issues a new session cookie (standards: E2)', async () => {
    const signIn = async () => {
      await begin();
      approval().state = 'approved';
      advance(1);
      expect((await poll()).status).toBe(200);
    };
    await signIn();
    const before = browser();
    for (const { line } of agent.cookies.lines) before.setCookie(line);
    await signIn();
    expect(await session()).toMatchObject({ authenticated: true });
    expect(await session(before)).toMatchObject({ authenticated: false });
  });

  it('is rejected up to its end when an operator has ended the sessions of the user after its start', async () => {
    provider.approvalSeconds = 7_200;
    await begin();
    advance(1);
    const ended = await fetch(`${gateway.adminUrl}/sessions?subject=${subject}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(ended.status).toBe(200);
    approval().state = 'approved';
    advance(3_600);
    const response = await poll();
    expect([response.status, response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'login_failed' }),
    ]);
    expect(await session()).toMatchObject({ authenticated: false });

    await begin();
    approval().state = 'approved';
    advance(1);
    expect((await poll()).status).toBe(200);
  });

  it('continues after a provider outage', async () => {
    await begin();
    approval().state = 'approved';
    await provider.stop();
    advance(1);
    const away = await poll();
    expect(away.status).toBe(503);
    expect(away.json()).toMatchObject({ code: 'provider_unavailable' });
    expect(away.setCookies).toEqual([]);
    await provider.start();
    expect((await poll()).status).toBe(202);
    advance(1);
    expect((await poll()).status).toBe(200);
  });

  it('is rejected for a user the provider does not know', async () => {
    const response = await begin({ login_hint: 'nobody' });
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringMatching(
        /^the (?:backchannel authentication|decoupled) endpoint returned unknown_user_id/,
      ),
    });
    expect(response.setCookies).toEqual([]);
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a sibling host', { 'sec-fetch-site': 'same-site' }],
    ['another origin', { origin: 'https://evil.example' }],
  ])('cannot be started from %s (standards: A10, A13)', async (_whence, headers) => {
    expect((await begin({ login_hint: 'alice' }, headers)).status).toBe(403);
    expect(provider.approvals.all).toHaveLength(0);
  });

  it.each([
    { login_hint: 7 },
    { login_hint: '' },
    { login_hint: 'x'.repeat(257) },
    { binding_message: ['x'] },
    { login_hint: 'alice', binding_message: '' },
    { login_hint: 'alice', binding_message: 'W4SCTX' },
    { login_hint: 'alice', binding_message: 'W4SC\n' },
    { login_hint: 'alice', binding_message: 'W4SCT\n' },
    { login_hint: 'alice', binding_message: 'Approve the payment' },
  ])('is rejected with the body %j', async (body) => {
    const response = await begin(body);
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({ code: 'bad_request' });
    expect(provider.approvals.all).toHaveLength(0);
  });

  it('counts the spellings of one login hint together', async () => {
    const spellings = ['alice', 'ALICE', ' Alice ', 'ａｌｉｃｅ', 'a\u200Blice', '\u202Ealice'];
    for (let n = 0; n < 10; n += 1)
      await begin({ login_hint: spellings[n % spellings.length] }, {}, browser());
    expect((await begin({ login_hint: 'Alice' })).status).toBe(429);
  });

  it('is limited to ten attempts per login hint', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1)
      statuses.push((await begin({ login_hint: 'alice' }, {}, browser())).status);
    expect(statuses).toEqual([...Array(10).fill(202), 429, 429]);
    expect((await begin({ login_hint: 'bob' })).status).toBe(202);
  });

  it('writes neither the identifier of the sign-in nor a token to the log', async () => {
    await begin();
    approval().state = 'approved';
    advance(1);
    await poll();
    await agent.fetch('/api/one');
    expect(gateway.logs()).toContain('session started');
    expect(gateway.logs()).not.toContain('canary');
  });
});

describe.each([
  ['OpenID CIBA', startCibaProvider],
  ['the decoupled endpoints of a bank', startBank],
] as const)('the binding message of a sign-in by %s', (_kind, startProvider) => {
  const open = async (bindingMessage?: string) =>
    start(
      await startProvider(clock),
      bindingMessage === undefined ? {} : { config: { provider: { bindingMessage } } },
    );

  it('comes from the gateway, differs each time, and stays in the state for the page to show', async () => {
    await open();
    const messages: unknown[] = [];
    for (let n = 0; n < 8; n += 1) {
      const { bindingMessage } = (await begin()).json() as { bindingMessage: string };
      expect(bindingMessage).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ2-9]{5}$/);
      expect(approval()).toMatchObject({ bindingMessage });
      messages.push(bindingMessage);
    }
    expect(new Set(messages).size).toBe(messages.length);
    expect((await poll()).json()).toMatchObject({ status: 'pending', bindingMessage: messages.at(-1) });
  });

  it.each(['Confirm the transfer of 900 EUR', 'W4SCT', '\n\nYour bank:', '\u202Etfosorcim', ''])(
    'never comes from the caller: %j',
    async (text) => {
      await open();
      const response = await begin({ login_hint: 'alice', binding_message: text });
      expect(response.json()).toMatchObject({ status: 400, code: 'bad_request' });
      expect(provider.approvals.all).toHaveLength(0);
    },
  );

  it('is absent where the configuration says so', async () => {
    await open('none');
    expect((await begin()).json()).not.toHaveProperty('bindingMessage');
    expect(approval().bindingMessage).toBeUndefined();
    expect((await begin({ login_hint: 'alice', binding_message: 'W4SCT' })).status).toBe(400);
  });

  it('matches the pattern as a whole, although the pattern has alternatives', async () => {
    await open('^W4|SCT$');
    for (const text of ['W4, pay 900 EUR', 'pay 900 EUR, SCT'])
      expect((await begin({ login_hint: 'alice', binding_message: text })).status).toBe(400);
    expect(provider.approvals.all).toHaveLength(0);
    expect((await begin({ login_hint: 'alice', binding_message: 'SCT' })).status).toBe(202);
  });

  it.each(['^.*$', '^[^x]*$'])(
    'has no invisible character and at most 64, whatever the pattern %s',
    async (pattern) => {
      await open(pattern);
      for (const text of ['a\nb', 'a\u202Eb', 'a\u200Bb', 'a\u2028b', '\u0000', 'y'.repeat(65)])
        expect((await begin({ login_hint: 'alice', binding_message: text })).status).toBe(400);
      expect(provider.approvals.all).toHaveLength(0);
      expect((await begin({ login_hint: 'alice', binding_message: 'a b' })).status).toBe(202);
    },
  );
});

describe('a sign-in by OpenID CIBA', () => {
  it.each([
    ['from another issuer', { iss: 'https://evil.example' }],
    ['for another client', { aud: 'other' }],
    ['that has expired', { exp: 1 }],
    ['without a subject', { sub: undefined }],
  ])('starts no session with an ID token %s', async (_what, change) => {
    const ciba = await startCibaProvider(clock);
    await start(ciba);
    ciba.patchIdToken = (claims) => JSON.parse(JSON.stringify({ ...claims, ...change }));
    await begin();
    approval().state = 'approved';
    advance(1);
    const response = await poll();
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({ code: 'login_failed' });
    expect(response.setCookies).toEqual([expect.stringMatching(/^coatcheck-decoupled=; /)]);
    expect(await session()).toMatchObject({ authenticated: false });
    expect((await poll()).status).toBe(404);
  });

  it('is rejected without a login_hint', async () => {
    await start(await startCibaProvider(clock));
    const response = await begin({});
    expect(response.status).toBe(400);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringMatching(/^the backchannel authentication endpoint returned invalid_request/),
    });
  });
});

describe('a sign-in at a bank', () => {
  it('works by redirect as well and refreshes each session at the endpoint that issued its tokens', async () => {
    const bank = await startBank(clock);
    await start(bank);
    await agent.signIn();
    const other = browser();
    await begin({ login_hint: 'bob' }, {}, other);
    approval().state = 'approved';
    advance(1);
    expect((await poll(other)).status).toBe(200);
    for (let round = 0; round < 3; round += 1) {
      advance(301);
      for (const each of [agent, other]) expect((await each.fetch('/api/one')).status).toBe(200);
    }
    const refreshed = bank.server.requests.filter(({ body }) => body.includes('refresh_token'));
    expect(refreshed.filter(({ path }) => path === '/v3/authorize/token')).toHaveLength(3);
    expect(refreshed.filter(({ path }) => path === '/v3/authorize-decoupled/token')).toHaveLength(3);
  });

  it.each([
    ['authorization_pending', 202, undefined],
    ['slow_down', 202, undefined],
    ['access_denied', 403, 'login_denied'],
    ['expired_token', 410, 'login_expired'],
  ])('understands a poll error of the bank as %s by provider.pollErrors', async (error, status, code) => {
    const bank = await startBank(clock);
    await start(bank, { config: { provider: { pollErrors: { BANK_123: error } } } });
    await begin();
    bank.server.fault = ({ path }) =>
      path.endsWith('/token') ? { status: 400, body: { error: 'BANK_123' } } : undefined;
    advance(1);
    const response = await poll();
    expect(response.status).toBe(status);
    expect(Object(response.json()).code).toBe(code);
  });

  it.each(['redirect', 'decoupled'])(
    'revokes the tokens when the bank response has no subject, with the sign-in by %s',
    async (way) => {
      const bank = await startBank(clock);
      await start(bank);
      bank.server.fault = ({ path }) =>
        path === '/v3/customer' ? { status: 200, body: { customer: {} } } : undefined;
      const signIns = {
        redirect: async () => finishLogin(agent, await beginLogin(agent)),
        decoupled: async () => {
          await begin();
          approval().state = 'approved';
          advance(1);
          return poll();
        },
      };
      const response = await signIns[way === 'redirect' ? 'redirect' : 'decoupled']();
      expect(response.status).toBe(400);
      expect(response.json()).toMatchObject({ reason: expect.stringContaining('provider.subject') });
      const isOver = async () => bank.tokenLedger().every(({ familyAlive }) => !familyAlive) || undefined;
      await until('the tokens are given back', isOver);
      expect(bank.tokenLedger()).toHaveLength(1);
    },
  );
});

describe.each([
  ['in memory', async (): Promise<string | undefined> => undefined],
  ['in Redis', async (): Promise<string | undefined> => open(await startRedis()).url],
] as const)('a code at a slow provider, with polls scheduled %s', (_where, openStore) => {
  const TOKEN = '/v3/authorize-decoupled/token';
  const openSlow = async () => {
    const bank = await startBank(clock);
    const store = await openStore();
    await start(bank, store === undefined ? {} : { store });
    const gates = { token: Promise.withResolvers<void>(), userinfo: Promise.withResolvers<void>() };
    const arrived: string[] = [];
    bank.server.hold = ({ path }) => {
      arrived.push(path);
      if (path === TOKEN) return gates.token.promise;
      return path === '/v3/customer' ? gates.userinfo.promise : undefined;
    };
    const reached = (path: string) =>
      until(
        `a request reaches ${path}`,
        async (): Promise<true | undefined> => arrived.includes(path) || undefined,
      );
    return { bank, gates, reached, isRedis: store !== undefined };
  };
  /** Lets the polling interval pass on both clocks. */
  const pass = async (seconds: number) => {
    advance(seconds);
    await sleep(1_100);
  };

  it('is sent once while the token call and userinfo together take longer than one timeout', async () => {
    const { bank, gates, reached } = await openSlow();
    const [cookie = ''] = (await begin()).setCookies;
    const tab = browser();
    tab.setCookie(cookie);
    approval().state = 'approved';
    await pass(1);
    const first = poll();
    await reached(TOKEN);
    await pass(7);
    expect((await poll(tab)).status).toBe(202);
    gates.token.resolve();
    await reached('/v3/customer');
    await pass(8);
    expect((await poll(tab)).status).toBe(202);
    gates.userinfo.resolve();
    expect((await first).status).toBe(200);
    expect((await poll(tab)).status).toBe(410);
    expect(asked()).toBe(1);
    expect(bank.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([true]);
    expect(await session()).toMatchObject({ authenticated: true });
  });

  it('is not sent again after userinfo failed', async () => {
    const { bank, gates } = await openSlow();
    gates.token.resolve();
    gates.userinfo.resolve();
    bank.server.fault = ({ path }) => (path === '/v3/customer' ? { status: 503 } : undefined);
    const [cookie = ''] = (await begin()).setCookies;
    approval().state = 'approved';
    await pass(1);
    expectItsEnd(await poll());
    const tab = browser();
    tab.setCookie(cookie);
    await pass(1);
    expect((await poll(tab)).status).toBe(410);
    expect(asked()).toBe(1);
  });
});

/** The response after which only a new sign-in helps. */
function expectItsEnd(response: AgentResponse) {
  expect(response.json()).toMatchObject({
    status: 410,
    code: 'login_expired',
    detail: expect.stringContaining('Sign in again.'),
  });
  expect(response.setCookies).toEqual([expect.stringMatching(/^coatcheck-decoupled=; .*Max-Age=0/)]);
}

describe.each([
  ['OpenID CIBA', startCibaProvider],
  ['the decoupled endpoints of a bank', startBank],
] as const)('a code sent to %s', (_kind, startProvider) => {
  const isToken = ({ path }: EndpointRequest) => path.endsWith('/token');
  const codesSent = () => provider.server.requests.filter(isToken).length;

  /** Begins a sign-in and has it approved. Returns another tab, which keeps the cookie of the sign-in. */
  const beginApproved = async (config: Record<string, unknown> = {}) => {
    await start(await startProvider(clock), { config: { provider: config } });
    const [cookie = ''] = (await begin()).setCookies;
    const tab = browser();
    tab.setCookie(cookie);
    approval().state = 'approved';
    advance(1);
    return tab;
  };
  const expectNoSecondUse = async (tab: UserAgent) => {
    provider.server.fault = undefined;
    provider.server.hold = undefined;
    advance(40);
    expect((await poll(tab)).status).toBe(410);
    expect(codesSent()).toBe(1);
    expect(await session()).toMatchObject({ authenticated: false });
  };

  it('is not sent again when the response does not arrive in time', async () => {
    const tab = await beginApproved({ timeout: '1s' });
    const never = Promise.withResolvers<void>();
    provider.server.hold = (request) => (isToken(request) ? never.promise : undefined);
    expectItsEnd(await poll());
    expect(approval().state).toBe('used');
    await expectNoSecondUse(tab);
    never.resolve();
  });

  it('is not sent again when the connection breaks before the response', async () => {
    const tab = await beginApproved();
    provider.server.hold = (request) => (isToken(request) ? provider.stop() : undefined);
    expectItsEnd(await poll());
    expect(approval().state).toBe('used');
    await provider.start();
    await expectNoSecondUse(tab);
  });

  it.each([500, 502, 503, 504])('is not sent again after a response with status %d', async (status) => {
    const tab = await beginApproved();
    provider.server.fault = (request) => (isToken(request) ? { status, body: 'no' } : undefined);
    expectItsEnd(await poll());
    await expectNoSecondUse(tab);
  });

  it('is sent again after a response that says that it was not evaluated', async () => {
    await beginApproved();
    provider.server.fault = (request) => (isToken(request) ? { status: 429, body: 'later' } : undefined);
    const busy = await poll();
    expect(busy.status).toBe(503);
    expect(busy.setCookies).toEqual([]);
    provider.server.fault = undefined;
    advance(1);
    expect((await poll()).status).toBe(200);
  });

  it('says in the log why the sign-in ended', async () => {
    await beginApproved();
    provider.server.fault = (request) => (isToken(request) ? { status: 502, body: 'no' } : undefined);
    await poll();
    expect(gateway.logs()).toMatch(/"reason":"the provider did not complete a poll/);
    expect(gateway.logs()).not.toContain('canary');
  });
});

describe('a sign-in on another device with Redis and replicas', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = open(await startRedis());
  });

  it('polls the provider once per interval across replicas with different clocks', async () => {
    const bank = await startBank(Date.now);
    bank.approvals.intervalSeconds = 0.3;
    await start(bank, { store: redis.url });
    const hasty = open(
      await startGateway({
        provider,
        upstream,
        store: redis.url,
        baseUrl: gateway.url,
        clock: () => clock() + 30_000,
      }),
    );
    const begun = await begin();
    expect(begun.status).toBe(202);
    const there = browser(hasty);
    there.setCookie(begun.setCookies[0] ?? '');
    while (asked() < 4) {
      const responses = await Promise.all([poll(), poll(there)]);
      expect(responses.map(({ status }) => status)).toEqual([202, 202]);
      await sleep(20);
    }
    expect(bank.approvals.tooEarly()).toBe(0);

    approval().state = 'approved';
    let finished = await poll(there);
    while (finished.status === 202) {
      await sleep(20);
      finished = await poll(there);
    }
    expect(finished.status).toBe(200);
    expect(await session(there)).toMatchObject({ authenticated: true });
    expect((await poll()).status).toBe(410);
  });

  it('stores nothing in Redis that could complete the sign-in', async () => {
    await start(await startBank(clock), { store: redis.url });
    await begin();
    const dump = await redis.dump();
    expect(dump).toContain('coatcheck:turn:');
    expect(dump).not.toContain('canary');
  });
});
