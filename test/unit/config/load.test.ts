import { describe, expect, it } from 'vitest';
import { formatProblems } from '../../../src/config/config-error.ts';
import { loadConfig } from '../../../src/provider/read-config.ts';
import { load, openIdProviderOf, problemsOf, secret } from './sample.ts';

const valid = `baseUrl: https://app.example.com
provider:
  type: oidc
  issuer: https://login.example.com
  clientId: web
  clientSecret: \${CLIENT_SECRET}
session:
  secrets: ['\${SESSION_SECRET}']
`;
const env = { CLIENT_SECRET: 'client-secret', SESSION_SECRET: secret };

const report = (text: string, sources?: Parameters<typeof load>[1]) =>
  formatProblems(
    'config.yaml',
    problemsOf(() => load(text, sources)),
  ).split('\n');

describe('loading a configuration file', () => {
  it('reads YAML with interpolation', () => {
    const config = load(`${valid}workers: \${WORKERS:-1}\nallowInsecureHttp: \${INSECURE}\n`, {
      env: { ...env, INSECURE: 'true' },
    });
    expect(config).toMatchObject({
      workers: 1,
      allowInsecureHttp: true,
      provider: { clientSecret: 'client-secret' },
    });
  });

  it('reads JSON as a subset of YAML', () => {
    const json = JSON.stringify({
      baseUrl: 'https://app.example.com',
      provider: { type: 'oidc', issuer: 'https://login.example.com', clientId: 'web', clientSecret: 'x' },
      session: { secrets: ['${SESSION_SECRET}'] },
    });
    expect(load(json, { env }).session.secrets).toEqual([secret]);
  });

  it('reads secrets from files', () => {
    const text = valid.replace('${CLIENT_SECRET}', '${file:/run/secrets/client}');
    const config = load(text, { env, files: { '/run/secrets/client': 'from file\n' } });
    expect(openIdProviderOf(config).clientSecret).toBe('from file');
  });

  it('treats keys, items and mappings with an empty result as absent', () => {
    const config = load(
      `${valid.replace("'${SESSION_SECRET}'", "'${OLD:-}', '${SESSION_SECRET}', '${NEW:-}'")}
spa: { directory: '\${DIRECTORY:-}' }
admin: { token: '\${TOKEN:-}' }
trustProxy: ['\${PROXY:-}']
log: { level: '\${LEVEL:-}' }
`,
      { env },
    );
    expect(config).toMatchObject({ trustProxy: [], log: { level: 'info' }, session: { secrets: [secret] } });
    expect('spa' in config).toBe(false);
    expect('token' in config.admin).toBe(false);
  });

  it('reports the line of a required key whose value is empty', () => {
    expect(
      report(valid.replace('${CLIENT_SECRET}', '${CLIENT_SECRET:-}'), { env: { SESSION_SECRET: secret } }),
    ).toEqual([
      'config.yaml:6  provider.clientSecret: missing or empty; provider.clientAuthentication client_secret_basic requires it',
    ]);
  });

  it('follows anchors and aliases', () => {
    const text = `${valid}routes:
  - { path: /a, upstream: https://a, timeout: &slow { headers: 90s } }
  - { path: /b, upstream: https://b, timeout: *slow }
`;
    expect(load(text, { env }).routes.map(({ timeout }) => timeout.headers)).toEqual([90_000, 90_000]);
  });

  it('reports all problems at once, in file order and with line numbers', () => {
    const text = `baseUrl: ftp://app.example.com
sesion: {}
provider:
  type: oidc
  issuer: \${ISSUER}
  clientId: web
  clientSecret: \${file:/run/secrets/client}
listen: 0.0.0.0:3000
listen: 3000
session:
  secrets:
    - '\${OLD:-}'
    - short
    - '\${SESSION_SECRET}'
  idleTimeout: 13h
workers: 4
routes:
  - path: /api
    upstream: http://api.internal
    timeout:
      connect: fast
  - upstream: https://other
    path: /api
`;
    expect(report(text)).toEqual([
      expect.stringMatching(
        /^config\.yaml:1 {2}baseUrl: expected an http\(s\) origin.*, got a string of 21 characters$/,
      ),
      'config.yaml:2  sesion: unknown key "sesion"; did you mean "session"?',
      'config.yaml:5  provider.issuer: the environment variable ISSUER is not set',
      'config.yaml:7  provider.clientSecret: the file "/run/secrets/client" does not exist',
      'config.yaml:9  the key "listen" occurs twice in one mapping; the first one is in line 8',
      expect.stringMatching(/^config\.yaml:9 {2}listen: expected host:port.*, got 3000$/),
      expect.stringMatching(/^config\.yaml:10 {2}session\.store: expected a store that processes share/),
      expect.stringMatching(
        /^config\.yaml:13 {2}session\.secrets\[0\]: expected a secret of at least 32 characters/,
      ),
      'config.yaml:14  session.secrets[1]: the environment variable SESSION_SECRET is not set',
      'config.yaml:15  session.idleTimeout: expected no longer than session.absoluteTimeout, got "13h"',
      expect.stringMatching(/^config\.yaml:19 {2}routes\[0\]\.upstream: expected https/),
      expect.stringMatching(
        /^config\.yaml:21 {2}routes\[0\]\.timeout\.connect: expected a duration .*, got a string of 4 characters$/,
      ),
      expect.stringMatching(
        /^config\.yaml:23 {2}routes\[1\]\.path: expected a unique path; routes\[0\] has the same/,
      ),
    ]);
  });

  it('reports the line of the mapping that lacks a key', () => {
    expect(report(valid.replace('  clientId: web\n', ''), { env })).toEqual([
      expect.stringMatching(/^config\.yaml:2 {2}provider\.clientId: missing or empty; /),
    ]);
  });
});

describe('loading an unusable configuration file', () => {
  it.each(['', '# only a comment\n', '\n\n'])('rejects a file without content: %o', (text) => {
    expect(report(text)).toEqual(['config.yaml  the file is empty']);
  });

  it('rejects a file that is missing or unreadable', () => {
    const unreadable = (code: string) => () => {
      throw Object.assign(new Error('canary'), { code });
    };
    const reason = (code: string) =>
      problemsOf(() => loadConfig('config.yaml', { env: {}, readFile: unreadable(code) }));
    expect(reason('ENOENT')).toEqual([{ path: '', message: 'the file does not exist' }]);
    expect(reason('EACCES')).toEqual([{ path: '', message: 'the file is not readable by this process' }]);
    expect(reason('EISDIR')).toEqual([{ path: '', message: 'the file is a directory' }]);
    expect(reason('EIO')).toEqual([{ path: '', message: 'the file cannot be read (EIO)' }]);
  });

  it.each([
    ['a: [1, 2', 'a [ or { is not closed before this line ends'],
    [
      'a: b: c',
      'a mapping cannot begin here; a value with a colon at its end or before a space needs quotes',
    ],
    [
      'store: memory:',
      'a mapping cannot begin here; a value with a colon at its end or before a space needs quotes',
    ],
    ['\ta: b', 'expected spaces for indentation, got a tab'],
    ['a: {b: ${X}}', 'an interpolation inside [ ] or { } needs quotes, as in ["${NAME}"]'],
    ['a: "b\\q"', 'the escape sequence is unknown; a literal backslash needs single quotes'],
    ['a: @b', 'the value begins with a reserved character and needs quotes'],
    ['a: !b c', 'the tag is unknown; a value that begins with ! needs quotes'],
  ])('rejects malformed YAML with its line: %o', (text, message) => {
    expect(report(`# comment\n${text}`)).toContain(`config.yaml:2  ${message}`);
  });

  it.each([
    ['provider:\n  type: oidc\n    issuer: x', 3, 'this line is indented further than the key above'],
    ['provider:\n  type: oidc\n   issuer: x\n  clientId: w', 3, 'this line is indented further'],
    ['provider:\n  type: oidc\n issuer: x', 3, 'the indentation is wrong: the keys of one mapping'],
    ['provider:\n    type: oidc\n  issuer: x', 3, 'the indentation is wrong: the keys of one mapping'],
    ['routes:\n  - path: /api\n   upstream: http://a', 3, 'the indentation is wrong'],
    ['routes:\n  - path: /api\n      upstream: http://a', 3, 'this line is indented further'],
    ['routes:\n  - path: /a\n - path: /b', 3, 'the indentation is wrong'],
    ['session:\n  secrets:\n    - a\n   - b', 4, 'the indentation is wrong'],
    [' baseUrl: x\nlisten: y', 2, 'the indentation is wrong'],
    ['session:\n  secrets: [${file:/run/secrets/x}]', 2, 'an interpolation inside [ ] or { } needs quotes'],
    ['session:\n  secrets: [\n    a,\n    ${SECRET},\n  ]', 4, 'an interpolation inside [ ] or { } needs'],
    ['tls: { ca: ${file:/x}, key: y }', 1, 'an interpolation inside [ ] or { } needs quotes'],
    [
      'tls: { key: ${file:/x} }\nadmin:\n  listen: y\nlog: {}',
      1,
      'an interpolation inside [ ] or { } needs quotes',
    ],
    ['provider:\n\ttype: oidc', 2, 'expected spaces for indentation, got a tab'],
    ['provider:\n  type: oidc\n\tissuer: x', 3, 'expected spaces for indentation, got a tab'],
    ['a: [x, y\nb: c', 2, 'a [ or { is not closed'],
  ])('names the mistake behind malformed YAML, once: %o', (text, line, message) => {
    expect(report(text)).toEqual([expect.stringContaining(`config.yaml:${line}  ${message}`)]);
  });

  it('names a key that occurs twice, and where it stood first, but never a secret in its place', () => {
    const text = valid.replace('  clientId: web\n', '  clientId: web\n  clientId: other\n');
    expect(report(text, { env })).toEqual([
      expect.stringMatching(
        /:\d+ {2}the key "clientId" occurs twice in one mapping; the first one is in line \d+$/,
      ),
    ]);
    const twice = report('a: { "canary secret": 1, "canary secret": 2 }').join();
    expect(twice).toContain('the key "…" occurs twice in one mapping; the first one is in line 1');
    expect(twice).not.toContain('canary');
  });

  it('suggests the key that is meant before it misses it', () => {
    const found = report(valid.replace('  clientId: web\n', '  clientID: web\n'), { env });
    expect(found).toEqual([
      expect.stringMatching(/ provider\.clientID: unknown key "clientID"; did you mean "clientId"\?$/),
      expect.stringMatching(/ provider\.clientId: missing or empty; /),
    ]);
    const [unknown, missing] = found.map((line) => line.split(' ')[0]);
    expect(missing).toBe(unknown);
  });

  it('says in which section a key belongs that is indented too little or too much', () => {
    const outside = report(`${valid}clientSecret: x\nsecrets: []\ntimeout: 5s\n`, { env });
    expect(outside).toEqual([
      expect.stringMatching(
        / clientSecret: unknown key "clientSecret" here; it is a key of provider: check the indentation$/,
      ),
      expect.stringMatching(
        / secrets: unknown key "secrets" here; it is a key of session: check the indentation$/,
      ),
      expect.stringMatching(/ timeout: unknown key "timeout" here; it is a key of /),
    ]);
  });

  it('rejects a file with several documents', () => {
    expect(report('a: 1\n---\nb: 1')).toEqual(['config.yaml:2  expected one YAML document, got several']);
  });

  it.each(['text', '- list', '---', '7'])('rejects a file without a mapping: %o', (text) => {
    expect(report(text)).toEqual([
      expect.stringMatching(/^config\.yaml:1 {2}expected a mapping with the keys baseUrl, .*, got /),
    ]);
  });

  it('rejects a file whose aliases expand to too much', () => {
    const level = (name: string, item: string) => `${name}: &${name} [${Array(10).fill(item).join(', ')}]\n`;
    const bomb = level('a', 'x') + level('b', '*a') + level('c', '*b') + level('d', '*c');
    expect(report(bomb)).toEqual([
      'config.yaml  an alias has no anchor before it, or the aliases expand to too many values',
    ]);
  });
});
