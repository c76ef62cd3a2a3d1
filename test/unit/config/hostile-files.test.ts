import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { formatProblems } from '../../../src/config/config-error.ts';
import { loadConfig } from '../../../src/provider/read-config.ts';
import { load, problemsOf, problemsWith, routeProblems, secret } from './sample.ts';

const start = `baseUrl: https://app.example.com
provider: { type: oidc, issuer: 'https://login.example.com', clientId: web, clientSecret: client-secret }
session: { secrets: [${secret}] }
`;

/** The problems of a file that begins with a valid configuration, in their printed form. */
const problemsIn = (text: string, options: Parameters<typeof load>[1] = {}) =>
  problemsOf(() => load(`${start}${text}`, options)).map((problem) =>
    formatProblems('', [problem]).replace(/^.*\n?invalid configuration\n/s, ''),
  );
/** The same with another client secret. */
const problemsOfSecret = (clientSecret: string) =>
  problemsOf(() => load(start.replace('client-secret', `'${clientSecret}'`))).map(({ message }) => message);

const TOO_DEEP = 'the values are nested too deeply';
const flow = (depth: number) => `x: ${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`;
const list = (depth: number) => `x: ${'['.repeat(depth)}${']'.repeat(depth)}`;
const block = (depth: number) =>
  Array.from({ length: depth }, (_, level) => `${' '.repeat(level)}a:`).join('\n');

describe('a hostile configuration file', () => {
  it.each(['x: &x [*x]', 'x: &x { y: *x }', 'x: &x [1, { y: [*x, *x] }]'])(
    'rejects an alias that contains itself and names its line: %s',
    (text) => {
      const [problem, ...others] = problemsIn(text);
      expect(problem).toContain('the alias stands inside the value that it repeats');
      expect(problem).toMatch(/\b4\b/);
      expect(others.every((other) => other.includes('the alias'))).toBe(true);
    },
  );

  it.each([
    ['3,000 mappings', flow(3_000)],
    ['30,000 mappings', flow(30_000)],
    ['3,000 lists', list(3_000)],
    ['1,000 mappings', `x:\n${block(1_000).replaceAll(/^/gm, ' ')}`],
    ['1,000 mappings through aliases', aliases(10, 100)],
  ])('rejects %s nested in each other', (_what, text) => {
    const messages = problemsOf(() => load(`${start}${text}`)).map(({ message }) => message);
    expect(messages).not.toEqual([]);
    for (const message of messages)
      expect(message).toMatch(new RegExp(`${TOO_DEEP}|unknown key|aliases expand`));
  });

  it.each([
    ['at the top', '__proto__: { a: 1 }', '["…"]'],
    [
      'as a header',
      routeWith('{ requestHeaders: { set: { __proto__: x } } }'),
      'routes[0].requestHeaders.set["…"]',
    ],
    ['as a quoted key', '"__proto__": [1]', '["…"]'],
  ])('rejects the name __proto__ %s', (_where, text, path) => {
    expect(problemsOf(() => load(`${start}${text}`))).toEqual([
      { path, line: 4, message: 'the name "__proto__" is reserved' },
    ]);
  });

  it('rejects a merge key with an explanation and its line', () => {
    const messages = problemsOf(() => load(`${start}login: &l { prefix: /a }\ncsrf:\n  <<: *l\n`));
    expect(messages).toEqual([
      {
        path: '',
        line: 6,
        message:
          'YAML 1.2 has no merge key "<<"; write the keys out, or use an alias in place of the whole mapping',
      },
    ]);
  });

  it('accepts an anchor name that is defined again inside its first value', () => {
    const text = `${start}log: &x { level: &x warn, format: *x }\n`;
    expect(problemsOf(() => load(text)).map(({ path }) => path)).toEqual(['log.format']);
  });

  it('accepts an alias for a whole mapping', () => {
    const routes = `routes:
  - { path: /a, upstream: 'https://api.example.com', requestHeaders: &h { set: { X-A: b } } }
  - { path: /b, upstream: 'https://api.example.com', requestHeaders: *h }
`;
    expect(load(`${start}${routes}`).routes[1]?.requestHeaders.set).toEqual({ 'x-a': 'b' });
  });
});

describe('hostile configuration values', () => {
  it('rejects values with the name __proto__', () => {
    const set = JSON.parse('{"__proto__":"x"}') as unknown;
    expect(routeProblems({ requestHeaders: { set } })).toEqual([
      'requestHeaders.set["…"]: the name "__proto__" is reserved',
    ]);
  });

  it('rejects values that contain themselves', () => {
    const routes: unknown[] = [];
    routes.push(routes);
    expect(problemsWith({ routes })).toEqual([`: ${TOO_DEEP}`]);
  });
});

describe('an endless file', () => {
  const inFile = (text: string) => {
    const directory = mkdtempSync(join(tmpdir(), 'coatcheck-config-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'config.yaml');
    writeFileSync(file, text);
    return file;
  };

  it.each(['/dev/zero', '/dev/urandom'])('rejects %s as the file of a secret', (device) => {
    const file = inFile(start.replace('client-secret', `'\${file:${device}}'`));
    expect(problemsOf(() => loadConfig(file))).toEqual([
      { path: 'provider.clientSecret', line: 2, message: `the file "${device}" is not a regular file` },
    ]);
  });

  it('rejects a pipe as the file of a secret, without waiting for a writer', () => {
    const pipe = `${inFile('')}.pipe`;
    execFileSync('mkfifo', [pipe]);
    const file = inFile(start.replace('client-secret', `'\${file:${pipe}}'`));
    expect(problemsOf(() => loadConfig(file))).toEqual([
      { path: 'provider.clientSecret', line: 2, message: `the file "${pipe}" is not a regular file` },
    ]);
    expect(problemsOf(() => loadConfig(pipe))).toEqual([
      { path: '', message: 'the file is not a regular file' },
    ]);
  });

  it('rejects a device or a file that is too large as the configuration', () => {
    expect(problemsOf(() => loadConfig('/dev/zero'))).toEqual([
      { path: '', message: 'the file is not a regular file' },
    ]);
    expect(problemsOf(() => loadConfig(inFile(' '.repeat(1_048_577))))).toEqual([
      { path: '', message: 'the file is larger than 1 MB' },
    ]);
  });

  it.each(['x: - - -', 'x: - a', 'x: -', 'routes: - path: /api'])(
    'explains a list behind its key: %s',
    (text) => {
      expect(problemsIn(text).join()).toContain(
        'a list cannot begin behind its key: begin each item on a line of its own, or write the list in brackets',
      );
    },
  );

  it('reads files of any size and content up to the limit', () => {
    const value = 'ü'.repeat(500_000);
    const file = inFile(value);
    const config = inFile(start.replace('client-secret', `'\${file:${file}}'`));
    expect(loadConfig(config).provider).toMatchObject({ clientSecret: value });
    expect(problemsOf(() => loadConfig(inFile('')))).toEqual([{ path: '', message: 'the file is empty' }]);
  });
});

describe('a secret in the wrong place', () => {
  const canary = 'canary-7f3a';
  it.each([
    { requestHeaders: { remove: [`Authorization: Bearer ${canary}`] } },
    { requestHeaders: { remove: `X-Key: ${canary}` } },
    { requestHeaders: { allow: [`X-Key: ${canary}`] } },
    { responseHeaders: { remove: [`X-Key: ${canary}`] } },
    { responseHeaders: { remove: canary } },
    { requestHeaders: { set: [`X-Key: ${canary}`] } },
    { requestHeaders: { set: { [`X-Key: ${canary}`]: 'x' } } },
    { requestHeaders: `X-Key: ${canary}` },
  ])('error messages do not reveal a secret in the wrong place: %j', (keys) => {
    const problems = routeProblems(keys);
    expect(problems).not.toEqual([]);
    expect(problems.join('\n')).not.toContain(canary);
  });

  it('error messages reveal no part of a password that contains "${"', () => {
    const unnamed =
      'a variable in this value is not set, or a file cannot be read; a literal "${" is written "$${"';
    expect(problemsOfSecret('pass${word1}x')).toEqual([unnamed]);
    expect(problemsOfSecret('pass${file:word1}x')).toEqual([unnamed]);
    expect(problemsOfSecret('pass${word1')).toEqual([expect.stringContaining('expected ${NAME}')]);
    expect(problemsOfSecret('${SECRET}')).toEqual(['the environment variable SECRET is not set']);
  });

  it('a secret in one place does not hide the name of a variable in other messages', () => {
    expect(problemsIn("listen: '127.0.0.1:${PORT}'")[0]).toContain(
      'the environment variable PORT is not set',
    );
  });
});

/** Mappings of `depth` levels, each of which ends in an alias for the one before. */
function aliases(count: number, depth: number): string {
  const nested = (inner: string) => `${'{a: '.repeat(depth)}${inner}${'}'.repeat(depth)}`;
  return Array.from(
    { length: count },
    (_, n) => `x${n}: &x${n} ${nested(n === 0 ? '1' : `*x${n - 1}`)}`,
  ).join('\n');
}

function routeWith(keys: string): string {
  return `routes: [{ path: /api, upstream: 'https://api.example.com', ${keys.slice(1)}]`;
}
