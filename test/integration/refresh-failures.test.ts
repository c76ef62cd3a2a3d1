import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Fault } from '../../testkit/fake-provider/faults.ts';
import { openTestRig } from '../../testkit/test-gateway-lifetime.ts';
import type { TestGateway, RigOptions } from '../../testkit/test-gateway.ts';
import type { AgentResponse } from '../../testkit/user-agent/transport.ts';

/** The life of the access tokens here, in milliseconds. */
const LIFE = 300_000;
/** Longer than the gateway leaves a failing token endpoint alone, in milliseconds. */
const PAUSE = 60_000;
/** How long an outcome may take to show, in milliseconds. It is no measure of speed. */
const PATIENCE = { timeout: 10_000, interval: 20 };

let rig: TestGateway;

/** Opens the rig of a test, with somebody signed in. */
async function open(options: RigOptions = {}): Promise<TestGateway> {
  const opened = await openTestRig(options);
  await opened.agent.signIn();
  return opened;
}

beforeEach(async () => {
  rig = await open();
});

const refreshes = () => rig.provider.tokenCalls({ grant: 'refresh_token' });
const call = (path = '/api/one') => rig.agent.fetch(path);
const calls = (count: number) => Promise.all(Array.from({ length: count }, (_, at) => call(`/api/${at}`)));
const json = (
  code: number,
  body: Record<string, unknown> | string,
  headers: Record<string, string> = {},
) => ({
  status: code,
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

/** Expects to be told to try again, with the session and its cookie kept. */
async function expectKept(answer: AgentResponse): Promise<void> {
  expect(answer.json()).toMatchObject({ status: 503, code: 'provider_unavailable' });
  expect(answer.header('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(answer.setCookies).toEqual([]);
  expect(rig.upstream.requests).toEqual([]);
  expect((await rig.agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
}

/** Expects the end of the session, told cleanly. */
function expectEnded(answer: AgentResponse): void {
  expect(answer.json()).toMatchObject({ status: 401, code: 'session_expired', loginUrl: '/auth/login' });
  expect(answer.setCookies).toEqual(['coatcheck=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict']);
  expect(answer.header('www-authenticate')).toBeUndefined();
}

describe('a refresh token that the provider rejects (standards: G11, A19)', () => {
  it('ends the session: gone, the cookie taken back, and a clean 401', async () => {
    rig.provider.invalidateSession({ user: 'alice' });
    rig.advance(LIFE);
    const replayed = rig.browser({ like: rig.agent });
    expectEnded(await call());
    expectEnded(await replayed.fetch('/api/one'));
    expect((await replayed.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(rig.upstream.requests).toEqual([]);
    expect(refreshes()).toBe(1);
  });

  it('ends it for all who wait, with one call of the token endpoint and no revocation', async () => {
    rig.provider.invalidateSession({ user: 'alice' });
    rig.advance(LIFE);
    const gate = rig.provider.faults.hold('token');
    const tabs = Array.from({ length: 20 }, () => rig.browser({ like: rig.agent }));
    const answers = tabs.map((tab) => tab.fetch('/api/one'));
    await gate.waiting();
    gate.release();
    for (const answer of await Promise.all(answers)) expectEnded(answer);
    expect(refreshes()).toBe(1);
    expect(rig.provider.requests.filter(({ endpoint }) => endpoint === 'revoke')).toEqual([]);
  });

  it('ends nobody else', async () => {
    const bob = rig.browser();
    await bob.signIn('/', { loginHint: 'bob' });
    rig.provider.invalidateSession({ user: 'alice' });
    rig.advance(LIFE);
    expectEnded(await call());
    expect((await bob.fetch('/api/one')).status).toBe(200);
  });

  it('ends it behind the request while the token still lives: this call is served, the next one not', async () => {
    rig.upstream.respond((_request, response) => void response.end());
    rig.provider.invalidateSession({ user: 'alice' });
    rig.advance(LIFE * 0.85);
    expect((await call()).status).toBe(200);
    await vi.waitFor(
      async () => expectEnded(await rig.browser({ like: rig.agent }).fetch('/api/two')),
      PATIENCE,
    );
  });

  it('makes an anonymous caller of an optional route', async () => {
    rig.upstream.respond((_request, response, record) => void response.end(record.bearer ?? 'anonymous'));
    rig.provider.invalidateSession({ user: 'alice' });
    rig.advance(LIFE);
    expect((await call('/optional/one')).text()).toBe('anonymous');
  });
});

describe('a refresh that fails for anything else keeps the session (standards: G12, G13)', () => {
  const misconfigured: [string, Fault][] = [
    [
      'does not know the client',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
    ],
    ['does not know the client, without a challenge', json(400, { error: 'invalid_client' })],
    ['does not let the client', json(400, { error: 'unauthorized_client' })],
    ['does not know the grant', json(400, { error: 'unsupported_grant_type' })],
    ['does not understand', json(400, { error: 'invalid_request' })],
    ['does not grant the scope', json(400, { error: 'invalid_scope' })],
    ['has moved', { status: 302, headers: { location: 'https://other.example/' } }],
    ['is not found', { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404</h1>' }],
    ['forbids it', { status: 403 }],
  ];
  const transient: [string, Fault][] = [
    ['fails', { status: 500 }],
    ['fails in JSON', json(500, { error: 'server_error' })],
    ['is a bad gateway', { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>502</h1>' }],
    ['is away for a while', { status: 503 }],
    ['calls it temporary', json(503, { error: 'temporarily_unavailable' })],
    ['has had too many', { status: 429 }],
    ['took too long itself', { status: 408 }],
  ];
  const malformed: [string, Fault][] = [
    ['shows a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['cuts its answer off', json(200, '{"access_token":')],
    ['answers with a list', json(200, '[]')],
    ['answers with nothing', json(200, '')],
    ['leaves the access token out', json(200, { token_type: 'Bearer', refresh_token: 'x' })],
    ['has a token type nobody knows', json(200, { access_token: 'x', token_type: 'mac' })],
    ['never ends its answer', json(200, `{"access_token":"${'x'.repeat(1_100_000)}"}`)],
  ];

  it.each([...misconfigured, ...transient, ...malformed])(
    'when the token endpoint %s: 503 now, and service again when it is well',
    async (_what, fault) => {
      rig.provider.faults.token = fault;
      rig.advance(LIFE);
      for (const answer of await calls(5)) await expectKept(answer);
      const failed = refreshes();
      expect(failed).toBeGreaterThanOrEqual(1);
      expect(failed).toBeLessThanOrEqual(3);

      rig.provider.faults.clear();
      rig.advance(PAUSE);
      expect((await call()).status).toBe(200);
      expect(refreshes()).toBe(failed + 1);
      expect(rig.provider.books()).toMatchObject([
        { spent: 1, reuses: 0 },
        { spent: 0, familyAlive: true },
      ]);
    },
  );

  it.each(misconfigured)(
    'and asks once, not again and again, when the token endpoint %s',
    async (_what, fault) => {
      rig.provider.faults.token = fault;
      rig.advance(LIFE);
      await expectKept(await call());
      expect(refreshes()).toBe(1);
    },
  );

  it('and says loudly that the client is at fault', async () => {
    rig.provider.faults.token = json(401, { error: 'invalid_client' });
    rig.advance(LIFE);
    await expectKept(await call());
    expect(rig.gateway.logs()).toMatch(/"level":"error".*"error":"invalid_client"/);
  });

  it('and bears a failure that passes: nobody sees it', async () => {
    rig.provider.faults.token = { status: 503, times: 2 };
    rig.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(refreshes()).toBe(3);
  });

  it.each([
    ['in seconds', () => '30'],
    ['as a date', () => new Date(Date.now() + 30_000).toUTCString()],
  ])('and stays away for as long as the provider asks %s', async (_how, retryAfter) => {
    rig.provider.faults.token = { status: 429, headers: { 'retry-after': retryAfter() }, times: 1 };
    rig.advance(LIFE);
    const answer = await call();
    await expectKept(answer);
    expect(Number(answer.header('retry-after'))).toBeGreaterThan(15);
    expect(Number(answer.header('retry-after'))).toBeLessThanOrEqual(30);
    for (const next of await calls(10)) await expectKept(next);
    expect(refreshes()).toBe(1);
    rig.advance(30_000);
    expect((await call()).status).toBe(200);
  });

  it('and believes no provider that asks for longer than an hour', async () => {
    rig.provider.faults.token = { status: 503, headers: { 'retry-after': '99999999' }, times: 1 };
    rig.advance(LIFE);
    expect(Number((await call()).header('retry-after'))).toBe(3_600);
  });

  it('and leaves a token endpoint alone that goes on failing', async () => {
    rig.provider.faults.token = { status: 500 };
    rig.advance(LIFE);
    for (let wave = 0; wave < 10; wave += 1) for (const answer of await calls(10)) await expectKept(answer);
    expect(refreshes()).toBe(3);
    rig.advance(PAUSE);
    await expectKept(await call());
    expect(refreshes()).toBeLessThanOrEqual(4);
  });
});

describe('a refresh of which nobody knows how it ended (standards: G15)', () => {
  it('is tried once more: where nothing had happened, nobody sees it', async () => {
    rig.provider.faults.dropBefore('token');
    rig.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(rig.provider.books()).toMatchObject([{ spent: 1, reuses: 0 }, { familyAlive: true }]);
  });

  it('is tried once more, within the grace of the provider', async () => {
    Object.assign(rig.provider, { rotate: 'grace', graceMs: 60_000 });
    rig.provider.faults.dropAfterProcessing('token');
    rig.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(refreshes()).toBe(2);
    rig.advance(LIFE);
    expect((await call()).status).toBe(200);
    expect(rig.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  });

  it('ends the session cleanly where each token is good for one use', async () => {
    rig.provider.faults.dropAfterProcessing('token');
    rig.advance(LIFE);
    expectEnded(await call());
    expect(refreshes()).toBe(2);
    expect(rig.provider.families).toMatchObject([{ alive: false, reuses: 1 }]);
    await rig.agent.signIn();
    expect((await call()).status).toBe(200);
  });

  it('is not tried for ever', async () => {
    rig.provider.faults.dropBefore('token', 100);
    rig.advance(LIFE);
    await expectKept(await call());
    expect(refreshes()).toBe(2);
  });
});

describe('a refresh that takes too long (standards: G24)', () => {
  beforeEach(async () => {
    rig = await open({ config: { refresh: { timeout: '250ms', retries: 0 } } });
    Object.assign(rig.provider, { rotate: 'grace', graceMs: 60_000 });
    rig.advance(LIFE);
  });

  it('is not waited for: 503, the session kept, and the next call is served', async () => {
    const gate = rig.provider.faults.hold('token');
    for (const answer of await calls(10)) await expectKept(answer);
    expect(refreshes()).toBe(1);
    gate.release();
    await vi.waitFor(async () => expect((await call()).status).toBe(200), PATIENCE);
    expect(rig.provider.families).toMatchObject([{ alive: true, reuses: 0 }]);
  });

  it('is not waited for by an answer that comes in drops', async () => {
    rig.provider.faults.delayMs('token', 5_000);
    await expectKept(await call());
    rig.provider.faults.delayMs('token', 0);
    await vi.waitFor(async () => expect((await call()).status).toBe(200), PATIENCE);
  });
});

describe('refresh.maxPerMinute', () => {
  it('bounds what one session may cause, and lets it go on a minute later', async () => {
    rig = await open({ config: { refresh: { maxPerMinute: 3 } } });
    rig.provider.accessTokenLifetime = 2;
    rig.advance(LIFE);
    const statuses = [];
    for (let each = 0; each < 6; each += 1) {
      statuses.push((await call()).status);
      rig.advance(2_000);
    }
    expect(statuses).toEqual([200, 200, 200, 503, 503, 503]);
    expect(refreshes()).toBe(3);
    rig.advance(60_000);
    expect((await call()).status).toBe(200);
  });
});
