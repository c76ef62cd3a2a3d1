import { describe, expect, it, vi } from 'vitest';
import { foldPath } from '../../../src/config/values/path.ts';
import { GatewayError } from '../../../src/errors.ts';
import { createRoutes } from '../../../src/proxy/routes.ts';
import { createSeededRandom } from '../../../testkit/seeded-random.ts';
import { parseRoute } from '../config/sample.ts';

/** The routes of a configuration with these paths. */
const routesAt = (...paths: string[]) => createRoutes(paths.map((path) => parseRoute({ path })));

/** The route of a text among "/", "/api" and "/api/admin". */
function routeOf(text: string): string {
  const isUnder = (prefix: string) => `${text}/`.startsWith(`${prefix}/`);
  return ['/api/admin', '/api'].find(isUnder) ?? '/';
}

/** Reads a path with one encoding as upstreams may, at any cost. */
function isRefusedBySlowReading(path: string, text: string): boolean {
  const simplify = (read: string) => read.replace(/;[^/]*/g, '').replace(/\/+/g, '/');
  const fold = (read: string) =>
    read
      .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
      .normalize('NFKC')
      .toUpperCase()
      .toLowerCase()
      .replaceAll('\u0307', '')
      .replaceAll('\\', '/');
  const isAscii = /^[ -~]*$/.test(text);
  const folded = isAscii ? [] : [fold(text), fold(simplify(text))];
  if (folded.some((read) => /\/\.{1,2}(?:[/;?#]|$)/.test(read))) return true;
  const simple = [text, ...folded].map(simplify);
  const readings = [path, ...simple, ...simple.map((read) => read.replace(/[?#].*/, ''))];
  return readings.flatMap((read) => [read, foldPath(read)]).some((read) => routeOf(read) !== routeOf(path));
}

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (error instanceof GatewayError) return true;
    throw error;
  }
}

describe('the route of a path that is not ASCII', () => {
  it.each([
    '/api/%EF%BD%2581dmin',
    '/api/x/%E2%80%A5/admin',
    '/api/x/%EF%BC%8E%EF%BC%8E/admin',
    '/api/x/%EF%B9%92.%EF%BC%9Bv/admin',
    '/api/x/.%C2%AD./admin',
    '/api/x%EF%BC%BC%EF%B8%B0%EF%BC%BCadmin',
    '/api%EF%BC%BCadmin',
    '/api/%C2%AD/admin',
    '/api/%EF%BC%8Fadmin',
    '/api/admin%EF%BC%9Bx',
    '/api/admin%CD%BEx/y',
    '/api/;%EF%BC%8Fadmin',
    '/api/;a%EF%BC%8Fb/%EF%BD%81dmin',
    '/api/%EF%BC%8561dmin',
    '/api/%25EF%25BC%258561dmin',
    '/api/%EF%BC%85EF%EF%BC%85BD%EF%BC%8581dmin',
    '/api/adm%C2%ADin',
    '/api/%E2%80%8Badmin/x',
    '/api/admin%EF%BB%BF',
    '/api/ad%EF%B8%8Fmin',
    '/api/adm%EF%BD%89%CC%87n',
  ])('is undefined for %o, which another server could fold to another route (F13, F14)', (path) => {
    expect(() => routesAt('/api', '/api/admin').match(path)).toThrow(GatewayError);
  });

  it.each([
    '/api/caf%C3%A9',
    '/api/caf%E9',
    '/api/cafe%CC%81',
    '/api/%E6%97%A5%E6%9C%AC%E8%AA%9E/%EF%BE%8A%EF%BE%9F',
    '/api/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB',
    '/api/to%20be%E2%80%A6/x',
    '/api/100%EF%BC%85',
    '/api/a%EF%BC%8Fb%EF%BC%9Bc',
    '/api/x%EF%BC%8E/y',
    '/api/adm%C3%ADn',
    '/api/admi%CC%81n',
    '/api/admin%CC%B8',
    '/api/%EF%BD%81dministration',
    '/api/%FF%FE%C2',
  ])('of %o is /api: it is the same in every folding', (path) => {
    expect(routesAt('/', '/api', '/api/admin').match(path)?.config.path).toBe('/api');
  });

  it.each(['/api/x/%EF%BC%8E/y', '/api/%E2%80%A5/api/x', '/api/x/y/z/%E2%80%A4%C2%AD'])(
    'is undefined for %o, whose folded dot segment could leave the base path of the upstream (F13)',
    (path) => {
      expect(() => routesAt('/', '/api').match(path)).toThrow(GatewayError);
    },
  );

  it('is undefined for every character that normalization or letter case turns into a letter or digit', () => {
    const planes = Array.from({ length: 0x2_0000 }, (_, code) => code);
    const folding = planes
      .filter((code) => code >= 0x80 && (code < 0xd800 || code > 0xdfff))
      .map((code) => String.fromCodePoint(code))
      .map((character) => ({ character, ascii: character.normalize('NFKC').toLowerCase() }))
      .filter(({ ascii }) => /^[a-z0-9]+$/.test(ascii));
    expect(folding.length).toBeGreaterThan(1000);
    const routes = routesAt('/', ...new Set(folding.map(({ ascii }) => `/x${ascii}y`)));
    for (const { character, ascii } of folding) {
      const path = `/x${encodeURIComponent(character)}y`;
      expect(() => routes.match(path), `${path} is /x${ascii}y`).toThrow(GatewayError);
    }
  });

  it('is undefined for another path in any mix of full-width forms, ignorable characters and encodings', () => {
    const random = createSeededRandom();
    const obfuscate = (character: string) =>
      random.pick([
        character,
        String.fromCharCode(character.charCodeAt(0) + 0xfee0),
        `${character}${random.pick(['\u00AD', '\u200B', '\uFE0F', '\u{E0041}'])}`,
      ]);
    const encode = (byte: number) => `%${'25'.repeat(random.between(0, 2))}${byte.toString(16)}`;
    const routes = routesAt('/', '/api', '/api/admin');
    for (let round = 0; round < 500; round += 1) {
      const text = 'api/admin'.split('').map(obfuscate).join('');
      const path = `/${[...Buffer.from(text)].map(encode).join('')}`;
      expect(() => routes.match(path), `${path} (CHAOS_SEED=${random.seed})`).toThrow(GatewayError);
    }
  });

  it('is undefined exactly when a slow folding of the whole path leads to another route or a dot segment', () => {
    const random = createSeededRandom();
    const inserted = [
      '\u0301',
      '\u0307',
      '\u0334',
      '\uFF9E',
      '\u00AD',
      '\uFF0F',
      '\uFF1B',
      '\u2025',
      '\uFF03',
      '\uFF1F',
      '#',
      '?',
      ';',
      '/x',
      '.',
    ];
    const replaced: Record<string, string[]> = {
      a: ['\uFF41'],
      i: ['\u0130', '\u0131', '\xED'],
      '/': ['\uFF3C'],
    };
    const change = (character: string) => {
      const written = random.pick([
        ...'1234567'.split('').map(() => character),
        ...(replaced[character] ?? []),
      ]);
      return random.between(1, 12) === 1 ? `${written}${random.pick(inserted)}` : written;
    };
    const routes = routesAt('/', '/api', '/api/admin');
    const results = Array.from({ length: 4000 }, () => {
      const text = `/${'api/x/admin'.split('').map(change).join('')}`.replace('/x', random.pick(['', '/x']));
      const path = text.replace(/[^ -~]|[?#]/gu, encodeURIComponent);
      const isRefused = isRefusedBySlowReading(path, text);
      expect([path, isRefused], `CHAOS_SEED=${random.seed}`).toEqual([
        path,
        throws(() => routes.match(path)),
      ]);
      return isRefused;
    });
    expect(new Set(results).size).toBe(2);
  });

  it('normalizes no run of different combining marks, which would take quadratic time', () => {
    const normalize = vi.spyOn(String.prototype, 'normalize');
    const runs = ['\u0301\u0334', '\u0344\u0334', '\uFF9E\u0307', '\u0307\u00AD\u0323'];
    for (const run of runs) routesAt('/api').match(`/api/a${encodeURIComponent(run.repeat(500))}`);
    const inputs = normalize.mock.contexts.map(String);
    normalize.mockRestore();
    expect(inputs.length).toBeGreaterThanOrEqual(runs.length);
    for (const input of inputs) expect(input.normalize('NFKD')).not.toMatch(/(?!\u0307{2})\p{M}{2}/u);
  });
});
