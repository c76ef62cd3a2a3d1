import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import express, { type Express } from 'express';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig, merged } from '../../../testkit/gateway/gateway-config.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { startChildProcess } from '../../../testkit/processes/child-process.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { startUpstream, type Upstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent, type UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import {
  ConfigError,
  createGateway,
  GatewayError,
  type ConfigInput,
  type Gateway,
  type GatewayOptions,
  type TokenRequest,
} from '../../../src/index.ts';

const PATIENCE = { timeout: 20_000, interval: 50 };

let provider: FakeProvider;
let upstream: Upstream;

beforeEach(async () => {
  [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
  upstream.respond(requireToken(provider.isAccessTokenActive));
});

afterEach(async () => {
  await Promise.all([provider.close(), upstream.close()]);
});

/** A host: somebody's Express server with a gateway in it. */
type Host = {
  readonly url: string;
  readonly gateway: Gateway;
  readonly agent: UserAgent;
  readonly config: ConfigInput;
  /** The lines of the host's log. */
  logs(): string;
  /** What the host's page `/own` says about a request, as JSON. */
  own(path?: string, agent?: UserAgent): Promise<{ status: number; body: Record<string, unknown> }>;
};

type HostSettings = GatewayOptions & {
  config?: Record<string, unknown>;
  /** What the host mounts before the gateway. */
  before?: (app: Express) => void;
};

async function openHost({ config: changes = {}, before, ...options }: HostSettings = {}): Promise<Host> {
  const server = createServer();
  const listener = await listenOnLoopback(server);
  const url = `http://127.0.0.1:${listener.port}`;
  const input = gatewayConfig({ provider, upstream, config: changes }, url, '127.0.0.1:0');
  const config = input as ConfigInput;
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    canaries.see('the log', line);
  };
  const logger = pino({ level: 'trace', serializers: pino.stdSerializers }, { write });
  const gateway = createGateway(config, { logger, ...options });
  const app = express();
  before?.(app);
  app.get('/own/session', async (request, response) => {
    response.json({ session: (await gateway.session(request)) ?? 'none' });
  });
  app.get('/own/token', async (request, response) => {
    const wanted: TokenRequest =
      typeof request.query['scope'] === 'string' ? { scopes: [request.query['scope']] } : {};
    try {
      const token = await gateway.accessToken(request, wanted);
      response.json({ active: provider.isAccessTokenActive(token) });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const { code, status, options } = error;
      response.status(status).json({ code, loginUrl: options.loginUrl, scopes: options.stepUp?.scopes });
    }
  });
  app.use(gateway.app);
  server.on('request', app).on('checkContinue', app);
  const agent = createUserAgent(url);
  onTestFinished(async () => {
    agent.close();
    await listener.stop();
    await gateway.close();
  });
  return {
    url,
    gateway,
    agent,
    config,
    logs: () => lines.join(''),
    async own(path = '/own/session', by = agent) {
      const response = await by.fetch(path);
      return { status: response.status, body: response.json() as Record<string, unknown> };
    },
  };
}

describe('session(request)', () => {
  it('is undefined without a session, and says who is signed in', async () => {
    const { agent, own } = await openHost({ config: { session: { claims: ['name'] } } });
    expect(await own()).toEqual({ status: 200, body: { session: 'none' } });
    await agent.signIn();
    const { sessionId, subject, claims } = (await agent.fetch('/auth/session')).json() as Record<
      string,
      unknown
    >;
    expect((await own()).body).toEqual({
      session: { subject, claims, sessionId, expiresAt: expect.stringMatching(/^\d{4}-.*Z$/) },
    });
    await agent.fetch('/auth/logout', { method: 'POST' });
    expect((await own()).body).toEqual({ session: 'none' });
  });

  it('does not extend the session, and accessToken does', async () => {
    const { agent, own } = await openHost({ config: { session: { idleTimeout: '60s' } } });
    const expiresAt = async () => ((await own()).body['session'] as { expiresAt: string }).expiresAt;
    await agent.signIn();
    const first = await expiresAt();
    // An extension is due after a twentieth of the idle limit.
    const dueAtMs = Date.parse(first) - 60_000 + 3_000;
    await vi.waitUntil(() => Date.now() > dueAtMs, PATIENCE);
    expect(await expiresAt()).toBe(first);
    expect(await expiresAt()).toBe(first);
    expect((await own('/own/token')).status).toBe(200);
    await vi.waitFor(async () => expect(await expiresAt()).not.toBe(first), PATIENCE);
  });
});

describe('accessToken(request)', () => {
  it('gives a token that may be sent now, refreshed once it has expired', async () => {
    provider.accessTokenLifetime = 1;
    const { agent, own } = await openHost();
    await agent.signIn();
    const first = provider.secrets(['access_token']).find((secret) => secret.split('.').length === 3) ?? '';
    expect(first).not.toBe('');
    await vi.waitUntil(() => !provider.isAccessTokenActive(first), PATIENCE);
    provider.accessTokenLifetime = 300;
    expect(await own('/own/token')).toEqual({ status: 200, body: { active: true } });
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect(await own('/own/token')).toEqual({ status: 200, body: { active: true } });
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('rejects with a code when there is none', async () => {
    const { agent, own } = await openHost();
    expect(await own('/own/token')).toEqual({ status: 401, body: { code: 'session_required' } });
    await agent.signIn();
    const copy = createUserAgent(agent.origin, { like: agent });
    await agent.fetch('/auth/logout', { method: 'POST' });
    expect(await own('/own/token', copy)).toEqual({ status: 401, body: { code: 'session_expired' } });
    copy.close();
  });

  it('rejects with the URL of a step-up for a scope that was not granted, and keeps the session', async () => {
    const { agent, own } = await openHost();
    await agent.signIn();
    const { status, body } = await own('/own/token?scope=reports.read');
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'step_up_required', scopes: ['reports.read'] });
    const { chain } = await agent.navigate(body['loginUrl'] as string, { from: 'page' });
    const toProvider = new URL(chain[0]?.header('location') ?? '');
    expect(toProvider.searchParams.get('scope')?.split(' ')).toContain('reports.read');
    expect(await own('/own/token')).toEqual({ status: 200, body: { active: true } });
  });

  it('gives a token for other scopes', async () => {
    const { agent, own } = await openHost();
    await agent.signIn();
    expect(await own('/own/token?scope=email')).toEqual({ status: 200, body: { active: true } });
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });
});

describe('login.require', () => {
  it('denies the host a session that no longer meets it, and its token', async () => {
    const { agent, own, gateway, config } = await openHost();
    await agent.signIn();
    const login = { ...config.login, require: [{ claim: '/email', endsWith: '@example.test' }] };
    await gateway.reload({ ...config, login });
    expect((await own()).body).not.toEqual({ session: 'none' });
    expect((await own('/own/token')).body).toEqual({ active: true });
    login.require = [{ claim: '/email', endsWith: '@other.test' }];
    await gateway.reload({ ...config, login });
    expect((await own()).body).toEqual({ session: 'none' });
    expect(await own('/own/token')).toEqual({ status: 403, body: { code: 'not_allowed' } });
  });
});

describe('reload(config)', () => {
  it('applies another configuration, and keeps the former one when it is invalid', async () => {
    const { agent, gateway, config } = await openHost();
    await agent.signIn();
    expect((await agent.fetch('/other/one')).status).toBe(404);
    const changed = merged(config, { routes: [{ path: '/other', upstream: upstream.url }] }) as ConfigInput;
    await gateway.reload(changed);
    expect((await agent.fetch('/other/one')).status).toBe(200);
    await expect(gateway.reload({ ...changed, baseUrl: 'nonsense' })).rejects.toThrow(ConfigError);
    expect((await agent.fetch('/other/one')).status).toBe(200);
  });
});

describe('the logger of the host', () => {
  it('gets the lines of the gateway, without secrets', async () => {
    const { agent, logs } = await openHost();
    await agent.signIn();
    const body = { access_token: 'canary-of-a-broken-response', token_type: 'nonsense' };
    provider.faults.token = {
      status: 200,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    };
    await agent.navigate('/auth/login');
    expect(logs()).toContain('"msg":"login failed"');
    expect(logs()).not.toContain('canary');
  });
});

describe('the registry of the host', () => {
  it('has the metrics of the gateway until it is closed, and of one gateway only', async () => {
    const registry = new Registry();
    const { agent, gateway, config } = await openHost({ registry });
    await agent.signIn();
    const text = await registry.metrics();
    expect(text).toContain('\ncoatcheck_sessions_started_total 1\n');
    expect(text).not.toContain('process_cpu');
    expect(() => createGateway(config, { registry })).toThrow(
      'the registry already has the metrics of a gateway',
    );
    await gateway.close();
    expect(await registry.getMetricsAsJSON()).toEqual([]);
    await createGateway(config, { registry }).close();
  });
});

describe('a body parser before the gateway', () => {
  it.each(['/api/one', '/auth/logout'])(
    'makes a POST to %s fail at once, and the log says what to do',
    async (path) => {
      const { agent, logs } = await openHost({ before: (app) => app.use(express.json()) });
      await agent.signIn();
      const body = JSON.stringify({ some: 'thing' });
      const headers = { 'content-type': 'application/json' };
      const response = await agent.fetch(path, { method: 'POST', headers, body });
      expect(response.status).toBe(500);
      const detail = expect.stringContaining('Mount the gateway before body parsers.');
      expect(response.json()).toMatchObject({ code: 'internal_error', detail });
      expect(logs().match(/Mount the gateway before body parsers/g)?.length).toBeGreaterThan(0);
      expect((await agent.fetch('/api/one', { method: 'POST' })).status).toBe(200);
      expect(upstream.requests).toHaveLength(1);
    },
  );
});

const older = encodeURIComponent("Object.defineProperty(process, 'version', { value: 'v22.1.0' });");

it('on an unsupported Node.js, the program says so in one sentence', async () => {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
  const child = startChildProcess(process.execPath, [
    `--import=data:text/javascript,${older}`,
    main,
    '--version',
  ]);
  expect(await child.exit).toMatchObject({ code: 1 });
  expect(child.stdout() + child.stderr()).toBe(
    'Coatcheck needs Node.js 24, or 26 and later; this is v22.1.0.\n',
  );
});

it('on an unsupported Node.js, the library says so in one sentence', async () => {
  const entry = new URL('../../../src/index.ts', import.meta.url).href;
  const child = startChildProcess(process.execPath, [
    `--import=data:text/javascript,${older}`,
    '--input-type=module',
    '--eval',
    `import(${JSON.stringify(entry)}).catch(({ message }) => console.log(message))`,
  ]);
  await child.exit;
  expect(child.stdout()).toBe('Coatcheck needs Node.js 24, or 26 and later; this is v22.1.0.\n');
});
