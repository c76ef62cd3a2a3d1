import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../src/provider/read-config.ts';
import { extent } from '../../testkit/fuzz.ts';
import { place, schemaKeys } from '../unit/config/schema-keys.ts';
import { gadgets, mutated, wordOf } from './support/mutation.ts';

const SECRET = 'canary-secret-Rf2kZw7QmX5tVn9JbL4y';
const reference = readFileSync(new URL('../../config/reference.yaml', import.meta.url), 'utf8');
/** The reference without its comments, and each section of it alone: less to read, and more of it meets a change. */
const plain = reference.replace(/^ *#.*\n/gm, '').replace(/\n{2,}/g, '\n');
const start = plain.slice(0, plain.indexOf('\nlisten:') + 1);
const parts = plain.split(/^(?=\w)/m).map((section) => `${start}${section}`);
const texts = fc.constantFrom(plain, ...parts);

/** The syntax elements of YAML. */
const syntax = fc.oneof(
  wordOf(
    '{ } [ ] # @ ` ~ &a *a .inf .nan 0x10 0o7 1_000 2026-01-01 yes "\\ud800" $${ ${ ${X} ${X:-${X}} ${SECRET} ${EMPTY}',
  ),
  fc.constantFrom(
    '${file:/x}',
    '${file:/missing}',
    '!!binary ',
    '!!js/function ',
    '<<: *a\n',
    '? ',
    '| ',
    '> ',
    '- ',
    ': ',
  ),
  fc.constantFrom(
    '---\n',
    '...\n',
    '%YAML 1.3\n',
    '\t',
    '\r',
    '\r\n',
    '  ',
    `${'- '.repeat(200)}x`,
    '['.repeat(500),
  ),
  fc.constant(
    'a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\n',
  ),
);

/** The reference with lines removed, repeated, indented differently, or with another value. */
const rewritten = fc
  .tuple(
    texts,
    fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.nat(5), value()), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([text, changes]) => {
    const lines = text.split('\n');
    for (const [where, kind, put] of changes) {
      const at = Math.floor(where * lines.length);
      const line = lines[at] ?? '';
      const keyed = line.replace(/:.*$/, `: ${put}`);
      const choices = [[], [line, line], [`  ${line}`], [line.replace(/^ +/, '')], [keyed], [line + put]];
      lines.splice(at, 1, ...(choices[kind] ?? []));
    }
    return lines.join('\n');
  });

function value(): fc.Arbitrary<string> {
  return fc.oneof(
    syntax,
    fc.constantFrom(...gadgets),
    wordOf(
      '0 -1 1e9 500ms 30s 99999d 64kb 9gb 20% auto true null memory: /a/../b ::1/129 http://h https://[::1]:8/x',
    ),
    wordOf('redis://u:p@h:1/9 redis+cluster://a:1,b:2 redis+sentinel://h'),
    fc.json({ maxDepth: 2 }),
    fc.string({ maxLength: 20 }),
  );
}

/** Reads a file from a text; the only outside value is one secret. */
function load(text: string): unknown {
  const env = {
    SECRET,
    CLIENT_SECRET: SECRET,
    SESSION_SECRET: SECRET,
    ADMIN_TOKEN: 'canary-token-of-the-admin-listener',
    EMPTY: '',
  };
  return loadConfig('file.yaml', {
    env,
    readFile: (path) => {
      if (path === 'file.yaml') return text;
      if (path === '/x' || path.startsWith('/run/secrets/')) return `${SECRET}\n`;
      throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    },
  });
}

/** Expects a configuration or its problems: each with a sentence and an existing line, none with a secret. */
function expectConfigOrProblems(read: () => unknown, lines: number): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert.notEqual(error.problems.length, 0);
    for (const { line = 1, message } of error.problems) {
      assert.notEqual(message, '');
      assert.ok(line >= 1 && line <= lines, `there is no line ${line}`);
    }
    assert.doesNotMatch(JSON.stringify(error.problems) + error.message, /canary/);
  }
}

/** Warnings of the runtime and of the parser: they go to standard error, past every rule of what a log may show. */
const warnings: Error[] = [];
const hear = (warning: Error) => void warnings.push(warning);
beforeAll(() => void process.on('warning', hear));
afterAll(async () => {
  await new Promise(setImmediate);
  process.off('warning', hear);
  assert.deepEqual(warnings, []);
});

describe('a fuzzed configuration', () => {
  it('is accepted or rejected with problems that show no secret when it is text', () => {
    fc.assert(
      fc.property(fc.oneof(rewritten, mutated(texts)), (text) => {
        expectConfigOrProblems(() => load(text), text.split(/\r\n|\r|\n/).length);
      }),
      extent({ short: 300, long: 100_000 }),
    );
  });

  it('is accepted or rejected with problems when it is a data structure', () => {
    const keys = schemaKeys().map(({ path }) => path.split('.'));
    const base = () => ({
      baseUrl: 'https://app.example.com',
      provider: { type: 'oidc', issuer: 'https://login.example.com', clientId: 'web', clientSecret: 'x' },
      session: { secrets: ['a-session-secret-Wd8kPz4RmX7vNq2TbL6h'] },
      routes: [{ path: '/api', upstream: 'https://api.example.com' }],
    });
    const leaf = fc.oneof(
      value(),
      fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, maxDepth: 2 }),
    );
    const changes = fc.array(fc.tuple(fc.constantFrom(...keys), leaf), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(changes, (all) => {
        const input: unknown = base();
        for (const [path, put] of all) place(input, path, put);
        expectConfigOrProblems(() => parseConfig(input), 1);
      }),
      extent({ short: 500, long: 100_000 }),
    );
  });

  it('is accepted or rejected with problems when it is any value at all', () => {
    fc.assert(
      fc.property(fc.anything(), (input) => expectConfigOrProblems(() => parseConfig(input), 1)),
      extent({ short: 300, long: 20_000 }),
    );
  });
});
