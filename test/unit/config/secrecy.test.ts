import { describe, expect, it, vi } from 'vitest';
import { ConfigError, formatProblems } from '../../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../../src/provider/read-config.ts';
import { describeRedacted } from '../../../src/config/diagnostics/redacted-value.ts';
import { load, minimal, problemsOf, route } from './sample.ts';

/** A secret that no readable text may contain. */
const canary = 'canary-7f3a';

/** Everything a failed configuration can show: the problems, their printed form and the error itself. */
function shown(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { message, stack, problems } = error;
    return [message, stack, JSON.stringify(error), formatProblems('config.yaml', problems)].join('\n');
  }
  throw new Error('the configuration was accepted');
}

describe('a secret in an invalid configuration', () => {
  it.each<[string, Record<string, unknown>]>([
    ['provider.clientSecret', { provider: { ...minimal.provider, clientSecret: [canary] } }],
    ['provider.privateKey', { provider: { ...minimal.provider, privateKey: canary } }],
    ['provider.authorizationParams', { provider: { ...minimal.provider, authorizationParams: canary } }],
    ['session.secrets[0]', { session: { secrets: [canary] } }],
    ['session.secrets', { session: { secrets: canary } }],
    ['session', { session: canary }],
    ['admin', { admin: canary }],
    ['admin.token', { admin: { token: `${canary} ` } }],
    ['session.store', { session: { ...minimal.session, store: `redis://:${canary}` } }],
    ['session.store', { session: { ...minimal.session, store: `redis:/user:${canary}@host` } }],
    ['session.store', { session: { ...minimal.session, store: `redis://host?password=${canary}` } }],
    ['session.store', { session: { ...minimal.session, store: `redis+sentinel://:${canary}@host` } }],
    ['session.store', { session: { ...minimal.session, store: `redis+cluster://:${canary}@host/0` } }],
    [
      'provider.issuer',
      { provider: { ...minimal.provider, issuer: `https://u:${canary}@login.example.com` } },
    ],
    ['routes[0].upstream', { routes: [{ ...route, upstream: `https://${canary}@api.example.com` }] }],
    [
      'routes[0].requestHeaders.set.X-Key',
      { routes: [{ ...route, requestHeaders: { set: { 'X-Key': `${canary}\n` } } }] },
    ],
    ['provider["…"]', { provider: { ...minimal.provider, [`clientSecret:${canary}`]: null } }],
  ])('error messages do not reveal a secret at %s', (path, keys) => {
    const text = shown(() => parseConfig({ ...minimal, ...keys }));
    expect(text).toContain(path);
    expect(text).not.toContain(canary);
  });

  it('error messages do not reveal a secret given as a number or in place of a mapping', () => {
    expect(
      shown(() => parseConfig({ ...minimal, provider: { ...minimal.provider, clientSecret: 70_312_946 } })),
    ).not.toContain('70312946');
  });

  it('error messages do not reveal a secret from the environment or a file, wherever it is used', () => {
    const text = `baseUrl: \${CANARY}
listen: a\${CANARY}
log: { level: '\${file:/canary}', format: 'x\${CANARY:-y}' }
login: { prefix: '\${CANARY}' }
routes:
  - { path: '\${CANARY}', upstream: 'ftp://\${CANARY}', methods: ['\${CANARY}'] }
`;
    const files = { '/canary': `${canary}\n` };
    const read = () => load(text, { env: { CANARY: canary }, files });
    expect(problemsOf(read).length).toBeGreaterThan(8);
    expect(shown(read)).not.toContain(canary);
    expect(shown(read)).toContain(
      'log.level: expected one of trace, debug, info, warn, error, fatal, got a string of 11',
    );
  });

  it.each([
    `clientSecret: *${canary}`,
    `clientSecret: !${canary} x`,
    `clientSecret: @${canary}`,
    `clientSecret: "${canary}\\q"`,
    `clientSecret: "${canary}`,
    `clientSecret: ${canary}: x`,
    `clientSecret:${canary}\nbaseUrl: x`,
    `clientSecret: [${canary}`,
    `{ clientSecret:${canary} }`,
    `clientSecret: '${canary}' ${canary}`,
    `%${canary}\n---\na: 1`,
    `&${canary} &${canary} a: 1`,
    `clientSecret: |${canary}`,
    `? ${canary} canary\n: 1`,
  ])('a YAML syntax error does not reveal a secret: %o', (text) => {
    expect(shown(() => load(text))).not.toContain(canary);
  });

  it('a file system error does not reveal a secret', () => {
    const readFile = () => {
      throw new Error(canary);
    };
    expect(shown(() => loadConfig('config.yaml', { env: {}, readFile }))).not.toContain(canary);
  });
});

describe('an invalid value in an error message', () => {
  const redacted = (value: unknown, ...path: (string | number)[]) =>
    describeRedacted(path, value, {
      secretPaths: [['session', 'secrets']],
      hidden: new Set(['hidden', '4711']),
      enumValues: new Set(['hidden', 'private_key_jwt']),
    });

  it('error messages show a value that cannot be a secret', () => {
    expect(redacted(7, 'listen')).toBe('7');
    expect(redacted(1.5, 'listen')).toBe('1.5');
    expect(redacted(true, 'listen')).toBe('true');
    expect(redacted('13h', 'session', 'idleTimeout')).toBe('"13h"');
    expect(redacted('64kb', 'listen')).toBe('"64kb"');
    expect(redacted('private_key_jwt', 'listen')).toBe('"private_key_jwt"');
  });

  it('error messages describe a value that is long, structured or possibly secret', () => {
    expect(redacted(null, 'baseUrl')).toBe('nothing');
    expect(redacted(['a'], 'baseUrl')).toBe('a list');
    expect(redacted({ a: 1 }, 'baseUrl')).toBe('a mapping');
    expect(redacted('hunter2', 'baseUrl')).toBe('a string of 7 characters');
    expect(redacted(70_312_946, 'baseUrl')).toBe('a number');
    expect(redacted('hidden', 'baseUrl')).toBe('a string of 6 characters');
    expect(redacted('4711', 'baseUrl')).toBe('a string of 4 characters');
    expect(redacted(7, 'session', 'secrets', 0)).toBe('a number');
    expect(redacted(7n, 'baseUrl')).toBe('a bigint');
  });

  it('a parser warning does not reveal a secret that braces turn into a key', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    expect(shown(() => load(`provider:\n  ? { ${canary}: x }\n  : web\n`))).not.toContain(canary);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
