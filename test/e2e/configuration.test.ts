import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startChildProcess } from '../../testkit/processes/child-process.ts';
import { type FakeProvider, startFakeProvider } from '../../testkit/fake-provider/fake-provider.ts';
import { freePort } from '../../testkit/network/free-port.ts';
import { SESSION_SECRET, gatewayConfig } from '../../testkit/gateway/gateway-config.ts';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { type ProgramResult, runProgram } from '../../testkit/processes/program.ts';
import { GATEWAY_NAME, startRedis } from '../../testkit/redis/redis-server.ts';
import { startUpstream, type Upstream } from '../../testkit/upstream/upstream.ts';

const MANIFEST = new URL('../../package.json', import.meta.url);
const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Runs the built program to its end with these arguments alone. */
async function coatcheck(...args: string[]): Promise<ProgramResult> {
  const { PATH = '' } = process.env;
  const child = startChildProcess(process.execPath, [MAIN, ...args], { env: { PATH } });
  return { ...(await child.exit), stdout: child.stdout(), stderr: child.stderr() };
}

/** The output without the directory of the file, which differs in each run. */
function printed({ stdout, stderr }: ProgramResult): string[] {
  return `${stdout}${stderr}`
    .trimEnd()
    .split('\n')
    .map((line) => line.replaceAll(/\S*\/coatcheck\.yaml/g, 'coatcheck.yaml'));
}

describe('an invalid configuration', () => {
  it('is rejected with every problem at once, each with its line, its path, the expected and the actual value', async () => {
    const result = await runProgram(
      `baseUrl: https://app.example.com/home
listen: 3000
sesion: {}
provider:
  type: oidc
  issuer: https://login.example.com
  clientId: web
  clientSecret: \${CLIENT_SECRET}
session:
  secrets: [ "\${file:/nowhere/secret}" ]
  absoluteTimeout: a while
routes:
  - path: /api
    upstream: http://api.example.com
    timeout: { idle: 60 }
log: { level: loud }
`,
    );
    expect(result).toMatchObject({ code: 78, signal: null, stdout: '' });
    expect(printed(result)).toEqual([
      'The configuration is invalid: 9 problems.',
      'coatcheck.yaml:1  baseUrl: expected an http(s) origin, such as https://app.example.com, without path or query, got a string of 28 characters',
      'coatcheck.yaml:2  listen: expected host:port, such as 0.0.0.0:3000 or [::1]:3000, or unix:/path, such as unix:/run/coatcheck/coatcheck.sock, got 3000',
      'coatcheck.yaml:3  sesion: unknown key "sesion"; did you mean "session"?',
      'coatcheck.yaml:8  provider.clientSecret: the environment variable CLIENT_SECRET is not set',
      'coatcheck.yaml:10  session.secrets[0]: the file "/nowhere/secret" does not exist',
      expect.stringMatching(
        /^coatcheck\.yaml:11 {2}session\.absoluteTimeout: expected a duration .*, got a string of 7 characters$/,
      ),
      expect.stringMatching(
        /^coatcheck\.yaml:14 {2}routes\[0\]\.upstream: expected https, .*, got a string of/,
      ),
      expect.stringMatching(
        /^coatcheck\.yaml:15 {2}routes\[0\]\.timeout\.idle: expected a duration .*, got 60$/,
      ),
      'coatcheck.yaml:16  log.level: expected one of trace, debug, info, warn, error, fatal, got a string of 4 characters',
    ]);
  });

  it('is rejected without showing a secret from the file or the environment', async () => {
    const result = await runProgram(
      `baseUrl: https://app.example.com
listen: \${SESSION_SECRET}
provider:
  type: oidc
  issuer: https://user:canary-issuer@login.example.com
  clientId: web
  clientSecret: [canary-client-secret]
session:
  store: redis://:canary-password@redis.example.com/canary-database
  secrets: [canary-short, "\${SESSION_SECRET}"]
`,
      { env: { SESSION_SECRET: 'canary-env' } },
    );
    expect(result.code).toBe(78);
    expect(printed(result)).toHaveLength(1 + 6);
    expect(printed(result).join('\n')).not.toContain('canary');
  });

  it('is rejected when its file is missing, empty or invalid YAML', async () => {
    const [missing, empty, broken] = await Promise.all([
      coatcheck('--config', '/nowhere/coatcheck.yaml'),
      runProgram(''),
      runProgram('baseUrl: "canary\nprovider: [\n'),
    ]);
    expect([missing.code, empty.code, broken.code]).toEqual([78, 78, 78]);
    const one = 'The configuration is invalid: one problem.';
    expect(printed(missing)).toEqual([one, 'coatcheck.yaml  the file does not exist']);
    expect(printed(empty)).toEqual([one, 'coatcheck.yaml  the file is empty']);
    expect(printed(broken)).toEqual([
      one,
      expect.stringMatching(/^coatcheck\.yaml:\d+ {2}a quote, bracket, /),
    ]);
  });

  it('is rejected when the default configuration finds its environment variables unset', async () => {
    const result = await coatcheck();
    expect(result.code).toBe(78);
    for (const name of ['ISSUER', 'CLIENT_ID', 'CLIENT_SECRET', 'SESSION_SECRET', 'UPSTREAM']) {
      expect(result.stderr).toContain(`the environment variable ${name} is not set`);
    }
  });
});

describe('the command line', () => {
  it('prints its usage for --help and -h', async () => {
    const [long, short] = await Promise.all([coatcheck('--help'), coatcheck('-h')]);
    expect(long).toMatchObject({ code: 0, stderr: '' });
    expect(long.stdout).toContain('coatcheck [--config FILE] --check');
    expect(short).toEqual(long);
  });

  it('prints its usage on standard error and fails for invalid arguments', async () => {
    const usage = (await coatcheck('--help')).stdout;
    const flaws = { '--verbose': "Unknown option '--verbose'", serve: "Unexpected argument 'serve'" };
    for (const [argument, flaw] of Object.entries({ ...flaws, '--config': 'argument missing' })) {
      const { code, stdout, stderr } = await coatcheck(argument);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(flaw);
      expect(stderr).toContain(usage);
    }
  });
});

describe('an environment that turns the verification of certificates off', () => {
  it('is refused before the configuration is read, also by --check', async () => {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    for (const args of [[], ['--check']]) {
      expect(await runProgram('', { args })).toMatchObject({ code: 78 });
      const result = await runProgram('', { args, env });
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toContain('Remove it from the environment.');
    }
  });
});

describe('--version', () => {
  it('prints the versions of the gateway and of Node.js, whatever the configuration', async () => {
    const { version } = JSON.parse(await readFile(MANIFEST, 'utf8')) as { version: string };
    expect(await coatcheck('--version', '--config', '/nowhere')).toMatchObject({
      code: 0,
      stdout: `coatcheck ${version}\nNode.js ${process.version}\n`,
      stderr: '',
    });
  });
});

describe('--print-config', () => {
  it('prints the file with every default, as a valid file, without secrets', async () => {
    const yaml = `
baseUrl: https://app.example.com
admin: { token: canary-admin-token-of-32-characters- }
provider:
  type: oidc
  issuer: https://login.example.com
  clientId: "\${CLIENT}"
  clientSecret: canary://client-secret
session:
  store: redis+sentinel://user:canary-password@one.example.com,two.example.com/mymaster
  secrets: ["\${SECRET}", canary-second-secret-Lc9hVx4MtQ7rZk2W]
routes:
  - path: /api
    upstream: https://api.example.com
    requestHeaders: { set: { X-Api-Key: canary-key } }
`;
    const env = { CLIENT: 'web', SECRET: 'canary-first-secret-Tq8vNw3KsX6yBd5P' };
    const result = await runProgram(yaml, { args: ['--print-config'], env });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).not.toContain('canary');
    expect(parse(result.stdout)).toMatchObject({
      baseUrl: 'https://app.example.com',
      listen: '0.0.0.0:3000',
      admin: { listen: '127.0.0.1:9464', token: '***' },
      provider: { clientId: 'web', clientSecret: '***', timeout: '10s' },
      session: {
        store: 'redis+sentinel://user:***@one.example.com,two.example.com/mymaster',
        secrets: ['***', '***'],
        idleTimeout: '30m',
        cache: { maxAge: '5s' },
      },
      routes: [
        { path: '/api', auth: 'required', requestHeaders: { set: { 'X-Api-Key': '***' }, allow: [] } },
      ],
    });
    expect(result.stdout.indexOf('baseUrl')).toBeLessThan(result.stdout.indexOf('listen'));
  });

  it('lists the problems of an invalid configuration', async () => {
    const result = await runProgram('baseUrl: 1', { args: ['--print-config'] });
    expect(result).toMatchObject({ code: 78, stdout: '' });
    expect(result.stderr).toContain('baseUrl: expected an http(s) origin');
  });
});

describe('--check', () => {
  let provider: FakeProvider;
  let upstream: Upstream;

  beforeEach(async () => {
    provider = await startFakeProvider();
    upstream = await startUpstream();
  });

  afterEach(async () => {
    await upstream.close();
    await provider.close();
  });

  /** Checks the default configuration with these changes. */
  const check = (config: Record<string, unknown>, store = 'memory:') => {
    const parts = { provider, upstream, store, config };
    const text = JSON.stringify(gatewayConfig(parts, 'http://127.0.0.1:3000', '127.0.0.1:3000'));
    return runProgram(text, { args: ['--check'] });
  };

  it('reports a configuration whose store and provider respond and succeeds', async () => {
    const password = 'canary-password';
    const redis = await startRedis({ args: ['--requirepass', password] });
    const result = await check({}, `redis://:${password}@127.0.0.1:${redis.port}/0`);
    await redis.close();

    expect(result).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(printed(result)).toEqual([
      'ok       configuration  coatcheck.yaml is valid',
      'ok       admin          127.0.0.1:0, which other machines cannot reach',
      expect.stringMatching(
        `^ok {7}store          Redis \\d+\\.\\d+\\.\\d+ at 127\\.0\\.0\\.1:${redis.port}$`,
      ),
      'ok       rights         every command, key and channel that the gateway uses',
      'warning  persistence    aof_enabled 0: a restart of Redis loses its last writes, and sessions with one-time refresh tokens end; set appendonly yes',
      'ok       eviction       maxmemory-policy noeviction',
      `ok       provider       ${provider.issuer}, from OpenID discovery`,
      expect.stringContaining(`ok       endpoints      authorization ${provider.issuer}/authorize, `),
      'ok       grants         authorization_code, refresh_token',
      'ok       client         client_secret_basic, which the provider accepts',
      'ok       PKCE           S256',
      'ok       signing        RS256, for ID and logout tokens',
      'ok       scopes         openid, profile, email, offline_access',
      expect.stringContaining('ok       refresh        providers do not announce rotation'),
      'ok       revocation     sign-out revokes the refresh token',
      expect.stringContaining(`ok       logout         leads to ${provider.issuer}/end_session, `),
      'ok       callback       http://127.0.0.1:3000/auth/callback; register it at the provider',
      'ok       credentials    the token endpoint accepts this client (provider.clientId and provider.clientSecret)',
      'ok       sign-in        the provider accepts http://127.0.0.1:3000/auth/callback and the parameters of a sign-in',
      `ok       upstream       ${upstream.url}, for /api, /optional, /public, /socket`,
    ]);
    for (const secret of [password, SESSION_SECRET, provider.client.secret]) {
      expect(result.stdout).not.toContain(secret);
    }
  });

  it('reports a store with an append-only file and a user with minimal rights, and changes nothing in it', async () => {
    const redis = await startRedis({ args: ['--appendonly', 'yes'] });
    const result = await check({}, redis.url);
    const size = await redis.command('DBSIZE');
    await redis.close();
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(printed(result).slice(3, 6)).toEqual([
      'ok       rights         every command, key and channel that the gateway uses',
      'ok       persistence    aof_enabled 1: an append-only file',
      'ok       eviction       maxmemory-policy noeviction',
    ]);
    expect(size).toBe(0);
  });

  it.each([
    ['PUBLISH', ['-publish'], '+publish'],
    ['INFO', ['-info'], '+info'],
    ['EVAL', ['-eval'], '+eval'],
    ['a command of the scripts', ['-hincrby'], '+hincrby'],
    ['the channels', ['resetchannels'], '&coatcheck:changes &coatcheck:unlocked'],
    ['one family of keys', ['resetkeys', '~coatcheck:[^r]*', '~coatcheck:rate:*'], '~coatcheck:revocations'],
  ])('reports a Redis user that lacks %s and fails', async (_what, rules, missing) => {
    const redis = await startRedis();
    await redis.command('ACL', 'SETUSER', GATEWAY_NAME, ...rules);
    const result = await check({}, redis.url);
    await redis.close();
    expect(result).toMatchObject({ code: 1, signal: null });
    expect(printed(result)).toContain(
      `fails    rights         the Redis user lacks ${missing}; grant them with ACL SETUSER`,
    );
  });

  it('reports a Redis that evicts sessions or rejects writes, and fails', async () => {
    const args = ['--maxmemory-policy', 'volatile-lru', '--min-replicas-to-write', '1'];
    const redis = await startRedis({ args });
    const result = await check({}, redis.url);
    await redis.close();
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(printed(result).filter((line) => line.startsWith('fails'))).toEqual([
      expect.stringMatching(/^fails {4}rights {9}Redis refuses [a-z]+: NOREPLICAS /),
      'fails    eviction       maxmemory-policy volatile-lru: a full Redis deletes sessions; set noeviction',
    ]);
  });

  it('warns of what the provider does not support and succeeds', async () => {
    Object.assign(provider.metadata, { end_session_endpoint: undefined, scopes_supported: ['openid'] });
    const result = await check({});
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(printed(result).filter((line) => !line.startsWith('ok       '))).toEqual([
      'warning  scopes         profile, email, offline_access not announced; some providers then reject the sign-in',
      'warning  logout         no endpoint, and no provider.logoutUrl: users stay signed in at the provider',
    ]);
  });

  it('reports a client authentication method that the provider does not support and fails', async () => {
    const result = await check({ provider: { clientAuthentication: 'client_secret_post' } });
    expect(result).toMatchObject({ code: 1, stderr: '' });
    expect(printed(result)).toContain(
      'fails    client         provider.clientAuthentication is client_secret_post, but the provider accepts client_secret_basic',
    );
  });

  it('reports an unreachable store and an unreachable provider together and fails', async () => {
    const port = await freePort();
    await provider.stop();
    const result = await check({}, `redis://:canary-password@127.0.0.1:${port}/0`);
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(printed(result)).toEqual([
      'ok       configuration  coatcheck.yaml is valid',
      'ok       admin          127.0.0.1:0, which other machines cannot reach',
      expect.stringMatching(`^fails    store          Redis at 127\\.0\\.0\\.1:${port} cannot be used: .+$`),
      `fails    provider       ${provider.issuer} cannot be used: connect ECONNREFUSED 127.0.0.1:${provider.port}; nothing listens there: start it, or correct the address`,
      `ok       upstream       ${upstream.url}, for /api, /optional, /public, /socket`,
    ]);
    expect(result.stdout).not.toContain('canary');
  });

  it('reports everything that would not work in one line each, with what to do, and fails', async () => {
    await upstream.stop();
    const result = await check({
      provider: { clientSecret: 'canary-another-secret' },
      spa: { directory: '/nowhere/dist' },
      admin: { listen: '0.0.0.0:9464' },
    });
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(printed(result).filter((line) => !line.startsWith('ok '))).toEqual([
      expect.stringMatching(/^warning {2}admin {10}0\.0\.0\.0:9464 is reachable .*; let only probes /),
      expect.stringMatching(
        /^fails {4}credentials {4}the token endpoint rejects this client with invalid_client: correct /,
      ),
      expect.stringMatching(
        /^fails {4}upstream {7}http:.*, for \/api, .*; nothing listens there: start it, /,
      ),
      'fails    spa            /nowhere/dist is not a directory; build the app, or correct spa.directory (relative to the working directory)',
    ]);
    expect(result.stdout).not.toContain('canary');
  });

  it('reports a password that Redis rejects without showing it and fails', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'canary-right'] });
    const result = await check({}, `redis://:canary-wrong@127.0.0.1:${redis.port}/0`);
    await redis.close();
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(result.stdout).toContain('fails    store');
    expect(result.stdout).not.toContain('canary');
  });

  it('reports an issuer that differs from the spelling of the provider and fails', async () => {
    const result = await check({ provider: { issuer: `${provider.issuer}/` } });
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(printed(result)).toEqual([
      'ok       configuration  coatcheck.yaml is valid',
      'ok       admin          127.0.0.1:0, which other machines cannot reach',
      'ok       store          memory: sessions are lost when the process exits',
      `fails    provider       ${provider.issuer}/ cannot be used: provider.issuer is "${provider.issuer}/", but the provider publishes "${provider.issuer}"`,
      `ok       upstream       ${upstream.url}, for /api, /optional, /public, /socket`,
    ]);
  });

  it('reports a provider that responds with something other than its metadata and fails', async () => {
    const server = createServer((_request, response) => response.end('<html>canary</html>'));
    const page = await listenOnLoopback(server);
    const result = await check({ provider: { issuer: `http://127.0.0.1:${page.port}` } });
    await page.stop();
    expect(result).toMatchObject({ code: 1, signal: null, stderr: '' });
    expect(result.stdout).toContain(`fails    provider       http://127.0.0.1:${page.port} cannot be used: `);
  });
});
