import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkDependencies } from '../../../src/check.ts';
import { checkListeners } from '../../../src/check/listeners.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { ProtocolError } from '../../../testkit/fake-provider/protocol-error.ts';
import { startSecureProvider } from '../../../testkit/fake-provider/secure-provider.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { createCertificateAuthority } from '../../../testkit/network/certificate-authority.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { startAuth0 } from '../../../testkit/providers/named/auth0.ts';
import { startCognito } from '../../../testkit/providers/named/cognito.ts';
import { startDex } from '../../../testkit/providers/named/dex.ts';
import { startEntra } from '../../../testkit/providers/named/entra.ts';
import { startGoogle } from '../../../testkit/providers/named/google.ts';
import { startHydra } from '../../../testkit/providers/named/hydra.ts';
import { startKeycloak } from '../../../testkit/providers/named/keycloak.ts';
import { startOkta } from '../../../testkit/providers/named/okta.ts';
import { type RealProvider, startRealProvider } from '../../../testkit/providers/real-provider.ts';
import { startRedisSentinel } from '../../../testkit/redis/redis-sentinel.ts';
import { GATEWAY_NAME, startRedis } from '../../../testkit/redis/redis-server.ts';
import { startUpstream, type Upstream } from '../../../testkit/upstream/upstream.ts';

/** The fakes of providers that `config/providers/` has a file for. */
const NAMED_PROVIDERS = [
  startAuth0,
  startCognito,
  startDex,
  startEntra,
  startGoogle,
  startHydra,
  startKeycloak,
  startOkta,
];

const authority = createCertificateAuthority();
const identity = authority.issue('localhost', '127.0.0.1');

let provider: FakeProvider;
let upstream: Upstream;
const opened: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  provider = await startFakeProvider();
  upstream = await startUpstream();
});

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

afterAll(async () => {
  await upstream.close();
  await provider.close();
});

/** Gives a thing to close at the end of the test, and returns it. */
function closing<Thing extends { close(): Promise<unknown> }>(thing: Thing): Thing {
  opened.push(thing);
  return thing;
}

/** The results of a check of the usual configuration with these changes, as `verdict name: detail`. */
async function check(config: Record<string, unknown> = {}, store = 'memory:'): Promise<string[]> {
  const keys = gatewayConfig(
    { provider, upstream, store, config },
    'http://127.0.0.1:3000',
    '127.0.0.1:3000',
  );
  const results = await checkDependencies(parseConfig(keys));
  return results.map(({ verdict, name, detail }) => `${verdict} ${name}: ${detail}`);
}

/** The results of one name. */
async function resultsOf(name: string, ...args: Parameters<typeof check>): Promise<string[]> {
  return (await check(...args)).filter((line) => line.split(':')[0]?.endsWith(` ${name}`));
}

/** A TCP server with TLS on 127.0.0.1. */
async function startTls(options: TlsOptions = {}): Promise<number> {
  const server = createTlsServer({ ...identity, ...options }, (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  const { port, stop } = await listenOnLoopback(server);
  opened.push({ close: stop });
  return port;
}

describe('the check of the client credentials', () => {
  const real = async (section: Record<string, unknown> = {}, options = {}): Promise<string[]> => {
    const server: RealProvider = closing(await startRealProvider(options));
    const own = server.register('http://127.0.0.1:3000');
    return resultsOf('credentials', { provider: { ...own, ...section } });
  };

  it('accepts the right client id and secret', async () => {
    expect(await real()).toEqual([
      'ok credentials: the token endpoint accepts this client (provider.clientId and provider.clientSecret)',
    ]);
  });

  it.each([
    ['a wrong client secret', { clientSecret: 'canary-another-secret' }],
    ['a wrong client id', { clientId: 'another' }],
  ])('reports %s', async (_what, section) => {
    const results = await real(section);
    expect(results).toEqual([
      expect.stringMatching(
        /^failed credentials: the token endpoint rejects this client with invalid_client: correct provider\.clientId and provider\.clientSecret; /,
      ),
    ]);
    expect(results.join()).not.toContain('canary');
  });

  it('reports a wrong secret at a plain OAuth 2.0 server', async () => {
    const server = closing(await startRealProvider());
    const section = {
      type: 'oauth2',
      issuer: undefined,
      authorizationEndpoint: `${server.issuer}/auth`,
      tokenEndpoint: `${server.issuer}/token`,
      subject: '/sub',
      clientId: 'web',
      scopes: [],
    };
    const { clientSecret } = server.register('http://127.0.0.1:3000');
    expect(await resultsOf('credentials', { provider: { ...section, clientSecret } })).toEqual([
      expect.stringMatching(/^ok /),
    ]);
    expect(await resultsOf('credentials', { provider: { ...section, clientSecret: 'another' } })).toEqual([
      expect.stringMatching(
        /^failed .* invalid_client: correct provider\.clientId and provider\.clientSecret/,
      ),
    ]);
  });

  it('sends a proof when provider.dpop is true, because some providers require it first', async () => {
    const configuration = { features: { dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1) } } };
    const server = closing(await startRealProvider({ configuration }));
    const own = server.register('http://127.0.0.1:3000');
    const proofs: boolean[] = [];
    server.instance.use(async (context, next) => {
      if (context.path === '/token') proofs.push(context.get('dpop') !== '');
      await next();
    });
    for (const dpop of [false, true])
      expect(await resultsOf('credentials', { provider: { ...own, dpop } })).toEqual([
        expect.stringMatching(/^ok /),
      ]);
    expect(proofs).toEqual([false, true]);
  });

  it('sends one request, and touches no refresh token of the provider', async () => {
    const before = provider.tokenCalls();
    await check();
    expect(provider.tokenCalls()).toBe(before + 1);
    expect(provider.tokenLedger()).toEqual([]);
  });

  it.each(NAMED_PROVIDERS)('tells a wrong secret from a right one: %o', async (start) => {
    const fake = closing(await start());
    const section = fake.register('http://127.0.0.1:3000');
    const [right = ''] = await resultsOf('credentials', { provider: section });
    const secret = { clientSecret: 'canary-another-secret' };
    const [wrong = ''] = await resultsOf('credentials', { provider: { ...section, ...secret } });
    expect([right.split(' ')[0], wrong.split(' ')[0]]).toEqual(['ok', 'failed']);
  });

  it('names the settings of the proxy and of the issuer that lead to no metadata', async () => {
    const proxy = `http://127.0.0.1:${await freePort()}`;
    const keys = provider.register('http://127.0.0.1:3000');
    const api = closing(await startUpstream());
    expect(
      await resultsOf('provider', { provider: { ...keys, proxy, issuer: 'https://login.example.com' } }),
    ).toEqual([
      expect.stringMatching(
        /the proxy .* cannot be reached: ECONNREFUSED; correct provider\.proxy, or the environment/,
      ),
    ]);
    expect(await resultsOf('provider', { provider: { ...keys, issuer: api.url } })).toEqual([
      expect.stringMatching(
        /; no OpenID metadata is there: correct provider\.issuer, or set provider\.discoveryUrl$/,
      ),
    ]);
  });

  it('warns when the response says nothing about the client', async () => {
    provider.checkTokenRequest = () => {
      throw new Error('a fault of the test');
    };
    const results = await resultsOf('credentials');
    provider.checkTokenRequest = undefined;
    expect(results).toEqual([
      expect.stringMatching(/^warning credentials: cannot tell whether .* expected invalid_grant .*, got /),
    ]);
  });

  it('names provider.tls.ca for a provider with a private CA', async () => {
    const server = closing(await startSecureProvider(identity));
    const own = { ...server.provider.register('http://127.0.0.1:3000'), issuer: server.issuer };
    expect(await resultsOf('provider', { provider: own })).toEqual([
      expect.stringMatching(/^failed provider: .*; the CA .*: set provider\.tls\.ca to that CA$/),
    ]);
    const trusted = { ...own, tls: { ca: authority.certificate } };
    expect(await resultsOf('provider', { provider: trusted })).toEqual([expect.stringMatching(/^ok /)]);
  });
});

describe('the check of a sign-in', () => {
  const OTHER = { baseUrl: 'http://127.0.0.1:3001' };

  it('says that the provider accepts the redirect URI and the parameters', async () => {
    provider.user = undefined;
    const results = await resultsOf('sign-in');
    provider.user = 'alice';
    expect(results).toEqual([
      'ok sign-in: the provider accepts http://127.0.0.1:3000/auth/callback and the parameters of a sign-in',
    ]);
    expect(provider.tokenLedger()).toEqual([]);
  });

  it('fails for a redirect URI that is not registered, pushed or not', async () => {
    const own = provider.register('http://127.0.0.1:3000');
    for (const par of ['off', 'auto'])
      expect(await resultsOf('sign-in', { ...OTHER, provider: { ...own, par } })).toEqual([
        expect.stringMatching(/^failed sign-in: the provider refuses a sign-in with .*127\.0\.0\.1:3001/),
      ]);
  });

  it('fails for a scope that the provider refuses, by the code of its response and without its words', async () => {
    provider.checkAuthorization = () => {
      throw new ProtocolError('invalid_scope', 'a word of the provider');
    };
    const results = await resultsOf('sign-in');
    provider.checkAuthorization = undefined;
    expect(results).toEqual([
      expect.stringMatching(/^failed sign-in: the provider refuses a sign-in with invalid_scope: compare /),
    ]);
    expect(results.join()).not.toContain('a word of the provider');
  });

  it.each(NAMED_PROVIDERS)('tells a redirect URI that is registered from another: %o', async (start) => {
    const fake = closing(await start());
    const section = fake.register('http://127.0.0.1:3000');
    const [right = ''] = await resultsOf('sign-in', { provider: section });
    const [wrong = ''] = await resultsOf('sign-in', { ...OTHER, provider: section });
    expect([right.split(' ')[0], wrong.split(' ')[0]]).toEqual(['ok', 'failed']);
  });

  it('tells a redirect URI that is registered from another at oidc-provider', async () => {
    const server = closing(await startRealProvider());
    const own = server.register('http://127.0.0.1:3000');
    expect(await resultsOf('sign-in', { provider: own })).toEqual([expect.stringMatching(/^ok .* accepts /)]);
    expect(await resultsOf('sign-in', { ...OTHER, provider: own })).toEqual([
      expect.stringMatching(/^failed sign-in: /),
    ]);
  });

  it('says that it does not know when the provider shows a page, or only browsers reach it', async () => {
    const page = await listenOnLoopback(
      createHttpServer((_request, response) => response.end('<h1>Sign in</h1>')),
    );
    opened.push({ close: page.stop });
    const own = provider.register('http://127.0.0.1:3000');
    const at = (authorization: string) => ({ provider: { ...own, endpoints: { authorization } } });
    expect(await resultsOf('sign-in', at(`http://127.0.0.1:${page.port}/authorize`))).toEqual([
      expect.stringMatching(/^ok sign-in: cannot tell whether .* is registered: the provider shows a page/),
    ]);
    expect(await resultsOf('sign-in', at(`http://127.0.0.1:${await freePort()}/authorize`))).toEqual([
      expect.stringMatching(/^ok sign-in: cannot tell whether .* cannot be called from here: .*ECONNREFUSED/),
    ]);
  });
});

describe('the check of the upstreams', () => {
  const routes = (...upstreams: unknown[]) => ({
    routes: upstreams.map((target, at) => ({
      path: `/api${at}`,
      ...(typeof target === 'string' || Array.isArray(target) ? { upstream: target } : (target as object)),
    })),
  });

  it('connects once to the server of several routes', async () => {
    expect(await resultsOf('upstream', routes(`${upstream.url}/v1`, upstream.url))).toEqual([
      `ok upstream: ${upstream.url}, for /api0, /api1`,
    ]);
    expect(upstream.requests).toHaveLength(0);
  });

  it('names the routes that have none, which only a proxy asks about', async () => {
    const config = { ...routes(upstream.url, {}), trustProxy: ['10.0.0.0/8'] };
    expect(await resultsOf('upstream', config)).toEqual([
      `ok upstream: ${upstream.url}, for /api0`,
      'ok upstream: none, for /api1: only proxies that call GET /auth/check use it',
    ]);
  });

  it('reports a server that nothing listens for, and warns where another server is used', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    expect(await resultsOf('upstream', routes(dead))).toEqual([
      expect.stringMatching(`^failed upstream: ${dead}, for /api0: no connection: .*ECONNREFUSED`),
    ]);
    expect(await resultsOf('upstream', routes([dead, upstream.url]))).toEqual([
      expect.stringMatching(`^warning upstream: ${dead}, for /api0: .*; the other servers are used$`),
      `ok upstream: ${upstream.url}, for /api0`,
    ]);
    expect(await resultsOf('upstream', routes([dead, upstream.url], dead))).toEqual([
      expect.stringMatching(`^failed upstream: ${dead}, for /api0, /api1: `),
      `ok upstream: ${upstream.url}, for /api0`,
    ]);
  });

  it('verifies the certificate as the route does, and names the key', async () => {
    const port = await startTls();
    const { ca } = { ca: authority.certificate };
    const other = createCertificateAuthority('Another authority').certificate;
    const target = (host: string, tls: object) => ({ upstream: `https://${host}:${port}`, tls });
    const results = await resultsOf(
      'upstream',
      routes(
        upstream.url,
        target('127.0.0.1', {}),
        target('127.0.0.1', { ca: other }),
        target('127.0.0.1', { ca }),
        target('127.0.0.1', { ca, serverName: 'api.internal' }),
      ),
    );
    expect(results.map((line) => line.replace(/^(\w+) .*(?:; |, for )/, '$1: '))).toEqual([
      'ok: /api0',
      'failed: the CA of its certificate is not among those that Node.js trusts: set routes[1].tls.ca to that CA',
      'failed: the CA of its certificate is not among those of routes[2].tls.ca: add it there',
      'ok: /api3',
      'failed: connect by a name of its certificate, or set routes[4].tls.serverName to one',
    ]);
  });

  it('names the client certificate that a server requires', async () => {
    const ca = authority.certificate;
    const port = await startTls({ ca, requestCert: true, rejectUnauthorized: true });
    const url = `https://127.0.0.1:${port}`;
    const route = { path: '/api', upstream: url, tls: { ca } };
    expect(await resultsOf('upstream', { routes: [route] })).toEqual([
      expect.stringMatching(
        /client certificate: set routes\[0\]\.tls\.certificate and routes\[0\]\.tls\.key$/,
      ),
    ]);
    const { cert: certificate, key } = authority.issue();
    const withCertificate = { ...route, tls: { ca, certificate, key } };
    expect(await resultsOf('upstream', { routes: [withCertificate] })).toEqual([
      `ok upstream: ${url}, for /api`,
    ]);
  });

  it('reports https to a server without TLS, and one that accepts nothing in time', async () => {
    const silent = await listenOnLoopback(createTcpServer());
    opened.push({ close: silent.stop });
    expect(await resultsOf('upstream', routes(upstream.url.replace('http:', 'https:')))).toEqual([
      expect.stringMatching(/^failed .*; it does not speak TLS at this port/),
    ]);
    const slow = { upstream: `https://127.0.0.1:${silent.port}`, timeout: { connect: '100ms' } };
    expect(await resultsOf('upstream', routes(slow))).toEqual([
      expect.stringMatching(/^failed .*: no connection within 0\.1 s$/),
    ]);
  });
});

describe('the check of the app', () => {
  it('reports a directory that is missing or has no index.html', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'));
    opened.push({ close: () => rm(directory, { recursive: true }) });
    const spa = (path: string) => resultsOf('spa', { spa: { directory: path } });
    expect(await spa(join(directory, 'none'))).toEqual([
      `failed spa: ${directory}/none is not a directory; build the app, or correct spa.directory (relative to the working directory)`,
    ]);
    expect(await spa(directory)).toEqual([
      expect.stringMatching(/^failed spa: .* has no index\.html, and every page would be 404; build /),
    ]);
    await writeFile(join(directory, 'index.html'), '<!doctype html>');
    expect(await spa(directory)).toEqual([`ok spa: ${directory}, with an index.html`]);
  });

  it('warns of a development server that does not run', async () => {
    const spa = (devServer: string) => resultsOf('spa', { spa: { devServer } });
    expect(await spa(upstream.url)).toEqual([expect.stringMatching(/^ok spa: /)]);
    expect(await spa(`http://127.0.0.1:${await freePort()}`)).toEqual([
      expect.stringMatching(/^warning spa: .* does not accept connections: .*ECONNREFUSED.*; start it$/),
    ]);
    expect(await resultsOf('spa')).toEqual([]);
  });
});

describe('the check of the admin listener', () => {
  const token = 'g7Kp2ZxV9qLw4NsR8tYb3HcJ6mDf1AeU';

  it.each([
    ['127.0.0.1:9464', undefined, /^ok admin: 127\.0\.0\.1:9464, which other machines cannot reach$/],
    ['[::1]:9464', undefined, /^ok admin: \[::1\]:9464, /],
    ['0.0.0.0:9464', undefined, /^warning admin: 0\.0\.0\.0:9464 is reachable from other machines, /],
    ['0.0.0.0:9464', token, /^ok admin: 0\.0\.0\.0:9464, with a token for sessions; keep the port private$/],
    ['127.0.0.1:9464', 'a'.repeat(32), /^warning admin: admin\.token can be guessed; expected a random text/],
  ])('judges %s with the token %s', async (listen, given, expected) => {
    expect(await resultsOf('admin', { admin: { listen, token: given } })).toEqual([
      expect.stringMatching(expected),
    ]);
  });
});

describe('the check of the trace collector', () => {
  afterEach(() => vi.unstubAllEnvs());

  const at = (endpoint: string, telemetry: Record<string, unknown> = {}) => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint);
    return resultsOf('traces', { telemetry });
  };

  it('connects to it, and warns of one that is down or whose URL has no scheme', async () => {
    expect(await at('')).toEqual([]);
    expect(await at(upstream.url)).toEqual([`ok traces: ${upstream.url}/v1/traces`]);
    const dead = `http://127.0.0.1:${await freePort()}`;
    expect(await at(dead)).toEqual([
      expect.stringMatching(`^warning traces: ${dead}/v1/traces cannot be connected to: .*ECONNREFUSED`),
    ]);
    expect(await at('collector:4318')).toEqual([
      'warning traces: OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL, and no spans are sent: write one such as http://collector:4318',
    ]);
    expect(await at(dead, { traces: 'off' })).toEqual([]);
  });
});

describe('the check of the certificate of the listener', () => {
  const tlsFor = (...names: string[]) => {
    const { cert: certificate, key } = authority.issue(...names);
    return { tls: { certificate, key } };
  };

  it('accepts one for the host of baseUrl, and reports one for another', async () => {
    expect(await resultsOf('tls')).toEqual([]);
    expect(await resultsOf('tls', tlsFor('127.0.0.1'))).toEqual([
      expect.stringMatching(/^ok tls: a certificate for 127\.0\.0\.1, valid from /),
    ]);
    expect(await resultsOf('tls', tlsFor('other.example'))).toEqual([
      'failed tls: tls.certificate is not for 127.0.0.1, the host of baseUrl: issue it for that',
    ]);
  });

  it('reports one that has expired', async () => {
    const keys = gatewayConfig(
      { provider, upstream, store: 'memory:', config: tlsFor('127.0.0.1') },
      'http://127.0.0.1:3000',
      '127.0.0.1:3000',
    );
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30 * 86_400_000 });
    const results = await checkListeners(parseConfig(keys)).finally(() => vi.useRealTimers());
    expect(results).toContainEqual(
      expect.objectContaining({
        name: 'tls',
        verdict: 'failed',
        detail: expect.stringMatching(/, and not now: renew it$/),
      }),
    );
  });
});

describe('the check of a Unix socket', () => {
  it('wants its folder, and its proxy among the trusted ones', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coatcheck-socket-'));
    opened.push({ close: () => rm(directory, { recursive: true }) });
    const listen = `unix:${directory}/gateway.sock`;
    expect(await resultsOf('listen', { listen })).toEqual([
      `warning listen: ${listen}, without unix in trustProxy: X-Forwarded-For is not read, and all clients count as one; add it`,
    ]);
    expect(await resultsOf('listen', { listen, trustProxy: ['unix'] })).toEqual([`ok listen: ${listen}`]);
    expect(await resultsOf('listen', { listen: `unix:${directory}/none/gateway.sock` })).toEqual([
      `failed listen: ${directory}/none is not a directory: create it, writable for this user`,
    ]);
    expect(await resultsOf('admin', { admin: { listen } })).toEqual([
      `ok admin: ${listen}, which other machines cannot reach`,
    ]);
    expect(await resultsOf('listen')).toEqual([]);
  });
});

describe('the check of Redis', () => {
  const store = async (url: string, session: Record<string, unknown> = {}) =>
    (await resultsOf('store', { session }, url)).join();

  it('names the password that Redis rejects, or lacks', async () => {
    const redis = closing(await startRedis({ args: ['--requirepass', 'canary-right'] }));
    const url = `redis://127.0.0.1:${redis.port}`;
    const inAddress = await store(`redis://:canary-wrong@127.0.0.1:${redis.port}`);
    const inKey = await store(url, { password: 'canary-wrong' });
    expect(inAddress).toMatch(/^failed store: .*WRONGPASS.*; correct the password in session\.store /);
    expect(inKey).toMatch(/^failed store: .*WRONGPASS.*; correct session\.password$/);
    expect(await store(url)).toMatch(/^failed store: .*it requires a password: set session\.password$/);
    expect(inAddress + inKey).not.toContain('canary');
  });

  it('suggests rediss for a port with TLS, and redis for one without', async () => {
    const port = await startTls();
    expect(await store(`redis://127.0.0.1:${port}`)).toMatch(
      /^failed store: .*; it speaks TLS at this port: write rediss instead of redis in session\.store$/,
    );
    const redis = closing(await startRedis());
    expect(await store(`rediss://127.0.0.1:${redis.port}`)).toMatch(
      /^failed store: .*; it does not speak TLS at this port: write redis instead of rediss in session\.store$/,
    );
  });

  it('names the client certificate that Redis requires', async () => {
    const ca = authority.certificate;
    const port = await startTls({ ca, requestCert: true, rejectUnauthorized: true });
    expect(await store(`rediss://127.0.0.1:${port}`, { tls: { ca } })).toMatch(
      /^failed store: .*client certificate: set session\.tls\.certificate and session\.tls\.key$/,
    );
  });

  it('names the Sentinels that do not listen, and the name of a primary that they do not know', async () => {
    const port = await freePort();
    expect(await store(`redis+sentinel://127.0.0.1:${port}/mymaster`)).toMatch(
      /^failed store: .*ECONNREFUSED.*; nothing listens there: start it, or correct the address$/,
    );
    const redis = closing(await startRedisSentinel());
    expect(await store(redis.url.replace(/\/mymaster/, '/other'))).toMatch(
      /^failed store: .*no Sentinel knows a primary of this name: correct the name at the end of session\.store$/,
    );
  });

  it('names the right or the database that is missing when Redis refuses the database of its address', async () => {
    const redis = closing(await startRedis());
    const other = redis.url.replace(/0$/, '1');
    expect(await store(other)).toMatch(
      /^failed store: .*NOPERM .*; grant \+select with ACL SETUSER, or name database 0 in session\.store$/,
    );
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, '+select');
    expect(await store(other)).toMatch(/^ok store/);
    expect(await store(redis.url.replace(/0$/, '99'))).toMatch(
      /^failed store: .*; correct the database in session\.store$/,
    );
  });

  it('names session.tls.ca for a Redis with a private CA', async () => {
    const port = await startTls();
    const url = `rediss://127.0.0.1:${port}`;
    expect(await store(url)).toMatch(/^failed store: .*; the CA .*: set session\.tls\.ca to that CA$/);
    const { certificate: ca } = createCertificateAuthority('Another authority');
    expect(await store(url, { tls: { ca } })).toMatch(/; the CA .* those of session\.tls\.ca: add it there$/);
  });
});
