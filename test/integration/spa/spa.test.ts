import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { type Fixture, codeOf, namesOf, openFixture } from '../proxy/fixture.ts';

const INDEX = '<!doctype html><title>app</title><div id="app"></div>';
const SECRET = 'not for the browser';

let folder: string;
let fixture: Fixture;

beforeAll(async () => {
  // The path of the directory says nothing about its files.
  folder = join(await mkdtemp(join(tmpdir(), 'coatcheck-spa-')), 'assets');
  const dist = join(folder, 'dist');
  await mkdir(join(dist, 'assets'), { recursive: true });
  await mkdir(join(dist, 'docs'));
  await Promise.all([
    writeFile(join(folder, 'secret.txt'), SECRET),
    writeFile(join(dist, 'index.html'), INDEX),
    writeFile(join(dist, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>'),
    writeFile(join(dist, '.env'), SECRET),
    writeFile(join(dist, 'a b.txt'), 'spaced'),
    writeFile(join(dist, 'docs', 'index.html'), '<title>docs</title>'),
    writeFile(join(dist, 'assets', 'index-B7hD3kQ9.js'), 'export const app = 1;'),
    writeFile(join(dist, 'assets', 'plain.js'), 'export const plain = 1;'),
    writeFile(join(dist, 'assets', 'my-logo-big.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>'),
    writeFile(join(dist, 'runtime-BkY0aZ3f.json'), '{}'),
  ]);
  fixture = await openFixture({ config: { spa: { directory: dist } } });
});

afterAll(async () => {
  await fixture.close();
  await rm(dirname(folder), { recursive: true });
});

/** A request without a session, as a browser sends it for a page or its assets. */
function get(
  path: string,
  {
    mode = 'navigate',
    method = 'GET',
    fields = [],
  }: { mode?: string; method?: string; fields?: string[] } = {},
) {
  const accept = mode === 'navigate' ? 'text/html,*/*;q=0.8' : '*/*';
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${fixture.host}`,
    `Accept: ${accept}`,
    `Sec-Fetch-Mode: ${mode}`,
    ...fields,
    '',
    '',
  ];
  return rawRequest(fixture.gateway.port, head.join('\r\n'));
}

describe('the single-page app', () => {
  it('is served from its files without a session', async () => {
    for (const [path, type, text] of [
      ['/', 'text/html; charset=utf-8', INDEX],
      ['/index.html', 'text/html; charset=utf-8', INDEX],
      ['/favicon.svg', 'image/svg+xml', '<svg'],
      ['/a%20b.txt', 'text/plain; charset=utf-8', 'spaced'],
      ['/docs/', 'text/html; charset=utf-8', '<title>docs</title>'],
      ['/assets/index-B7hD3kQ9.js', 'text/javascript; charset=utf-8', 'export const app'],
    ] as const) {
      const response = await get(path, { mode: path.endsWith('/') ? 'navigate' : 'no-cors' });
      expect([response.status, response.header('content-type')]).toEqual([200, type]);
      expect(response.body.toString()).toContain(text);
    }
  });

  it('is served at every path for a navigation but not for a fetch', async () => {
    for (const path of [
      '/settings',
      '/users/7?tab=1',
      '/docs',
      '/auth-help',
      '/apiary',
      '/users/jane%20doe;v=1',
    ]) {
      const page = await get(path);
      expect([page.status, page.body.toString()]).toEqual([200, INDEX]);
      const fetched = await get(path, { mode: 'cors' });
      expect([fetched.status, codeOf(fetched)]).toEqual([404, 'not_found']);
    }
    for (const path of ['/assets/missing-B7hD3kQ9.js', '/missing.css']) {
      expect((await get(path, { mode: 'no-cors' })).status).toBe(404);
    }
    expect((await get('/settings', { method: 'HEAD' })).status).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect((await get('/settings', { method })).status).toBe(404);
  });

  it('is served to browsers without fetch metadata when they accept HTML', async () => {
    const ask = (accept: string) =>
      rawRequest(
        fixture.gateway.port,
        `GET /settings HTTP/1.1\r\nHost: ${fixture.host}\r\nAccept: ${accept}\r\n\r\n`,
      );
    expect((await ask('text/html')).body.toString()).toBe(INDEX);
    expect((await ask('*/*')).status).toBe(404);
    expect((await ask('application/json')).status).toBe(404);
  });

  it('never shadows an API route or an endpoint of the gateway', async () => {
    expect((await get('/api/one')).status).toBe(403);
    expect((await get('/api/one', { fields: ['Sec-Fetch-Site: same-origin'] })).status).toBe(401);
    expect((await get('/auth/session')).header('content-type')).toContain('json');
    expect((await get('/auth/nothing')).status).toBe(404);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('is revalidated each time except for files with a hash in their name', async () => {
    const unhashed = ['/assets/plain.js', '/assets/my-logo-big.svg', '/runtime-BkY0aZ3f.json'];
    for (const path of ['/', '/settings', '/favicon.svg', ...unhashed]) {
      expect((await get(path)).header('cache-control')).toBe('no-cache');
    }
    const hashed = await get('/assets/index-B7hD3kQ9.js', { mode: 'no-cors' });
    expect(hashed.header('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it('is not sent again to a browser that has the current version', async () => {
    const etag = (await get('/')).header('etag') ?? '';
    const again = await get('/', { fields: [`If-None-Match: ${etag}`] });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    const part = await get('/index.html', { fields: ['Range: bytes=0-14'] });
    expect([part.status, part.body.toString()]).toEqual([206, '<!doctype html>']);
  });

  it('has security headers against framing and plugins and sets no cookie', async () => {
    for (const path of ['/', '/settings', '/assets/plain.js']) {
      const response = await get(path);
      expect(response.header('content-security-policy')).toBe(
        "object-src 'none';base-uri 'self';frame-ancestors 'none'",
      );
      expect(response.header('x-frame-options')).toBe('DENY');
      expect(response.header('x-content-type-options')).toBe('nosniff');
      expect(response.header('referrer-policy')).toBe('strict-origin-when-cross-origin');
      expect(response.header('cross-origin-opener-policy')).toBe('same-origin');
      for (const name of [
        'set-cookie',
        'x-powered-by',
        'server',
        'access-control-allow-origin',
        'strict-transport-security',
      ]) {
        expect(namesOf(response.headers)).not.toContain(name);
      }
    }
  });
});

describe('a path outside the app directory or to a hidden file', () => {
  it.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/assets/../../secret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/..\\secret.txt',
    '//secret.txt',
    '/%252e%252e/secret.txt',
    '/%00/../secret.txt',
    '/index.html%00.txt',
    '/index.html/../../secret.txt',
  ])('is not served: %s', async (path) => {
    for (const mode of ['navigate', 'no-cors']) {
      const response = await get(path, { mode });
      expect([400, 404]).toContain(response.status);
      expect(response.body.toString()).not.toContain(SECRET);
    }
  });

  it('is not served for a file whose name starts with a dot', async () => {
    expect((await get('/.env', { mode: 'no-cors' })).status).toBe(404);
    expect((await get('/.env')).body.toString()).not.toContain(SECRET);
  });
});

it('the app directory can appear after the start and requests get 404 until then', async () => {
  const later = join(folder, 'later');
  const other = await openFixture({ config: { spa: { directory: later } } });
  const ask = () => other.agent.navigate('/settings');
  expect((await ask()).response.status).toBe(404);
  await symlink(join(folder, 'dist'), later);
  expect((await ask()).response.text()).toBe(INDEX);
  await other.close();
});
