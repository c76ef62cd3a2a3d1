import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { rawRequest } from '../../../../testkit/network/raw-client.ts';
import { type Upstream, startUpstream } from '../../../../testkit/upstream/upstream.ts';
import { type Fixture, anonymousHead, codeOf, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;
let other: Upstream;

beforeAll(async () => {
  other = await startUpstream();
  fixture = await openFixture({
    routes: [
      { path: '/api/v2', upstream: other.url },
      { path: '/api/v2/open', auth: 'none' },
      { path: '/stripped', stripPrefix: true },
      { path: '/based', upstream: `${other.url}/base` },
      { path: '/slashed', upstream: `${other.url}/base/` },
      { path: '/moved', upstream: `${other.url}/base`, stripPrefix: true },
      { path: '/moved/deeper', upstream: `${other.url}/deep`, stripPrefix: true },
    ],
  });
});

beforeEach(() => {
  fixture.reset();
  other.requests.length = 0;
});

afterAll(async () => {
  await fixture.close();
  await other.close();
});

/** The upstream and the target that a request reaches. */
async function arrival(target: string): Promise<[whose: 'own' | 'other', target: string | undefined]> {
  expect((await fixture.send(`GET ${target} HTTP/1.1`)).status).toBe(200);
  const [request] = fixture.upstream.requests.splice(0);
  const [elsewhere] = other.requests.splice(0);
  return request === undefined ? ['other', elsewhere?.target] : ['own', request.target];
}

describe('a request is forwarded', () => {
  it.each([
    ['/api', 'own', '/api'],
    ['/api/v1/one', 'own', '/api/v1/one'],
    ['/api/v2', 'other', '/api/v2'],
    ['/api/v2/', 'other', '/api/v2/'],
    ['/api/v2/one', 'other', '/api/v2/one'],
    ['/api/v2?x=1', 'other', '/api/v2?x=1'],
    ['/api/v22', 'own', '/api/v22'],
    ['/api/v2-beta', 'own', '/api/v2-beta'],
    ['/api/v2/open/one', 'own', '/api/v2/open/one'],
    ['/api/v2/opener', 'other', '/api/v2/opener'],
  ] as const)('by the most specific route on segment boundaries: %s', async (target, whose, expected) => {
    expect(await arrival(target)).toEqual([whose, expected]);
  });

  it.each([
    ['/stripped', 'own', '/'],
    ['/stripped/', 'own', '/'],
    ['/stripped/one/two', 'own', '/one/two'],
    ['/stripped?x=/stripped', 'own', '/?x=/stripped'],
    ['/stripped/stripped/one', 'own', '/stripped/one'],
    ['/stripped//evil.example/one', 'own', '/evil.example/one'],
    ['/stripped///one', 'own', '/one'],
    ['/stripped/one%2Ftwo;v=1', 'own', '/one%2Ftwo;v=1'],
    ['/based/one', 'other', '/base/based/one'],
    ['/slashed/one', 'other', '/base/slashed/one'],
    ['/moved', 'other', '/base/'],
    ['/moved/one', 'other', '/base/one'],
    ['/moved//one', 'other', '/base/one'],
    ['/moved/deeper/one', 'other', '/deep/one'],
    ['/moved/deep', 'other', '/base/deep'],
  ] as const)(
    'to its path with the base path of the upstream and without a stripped prefix: %s',
    async (target, whose, expected) => {
      expect(await arrival(target)).toEqual([whose, expected]);
    },
  );

  it('to its own upstream without mixing connections or paths (standards: F31)', async () => {
    const targets = Array.from({ length: 40 }, (_, at) =>
      at % 2 === 0 ? `/api/one?${at}` : `/api/v2/one?${at}`,
    );
    const responses = await Promise.all(targets.map((target) => fixture.send(`GET ${target} HTTP/1.1`)));
    const seen = responses.map(({ body }) => JSON.parse(body.toString()).target);
    expect(seen).toEqual(targets);
    expect(fixture.upstream.requests.every(({ target }) => target.startsWith('/api/one'))).toBe(true);
    expect(other.requests.every(({ target }) => target.startsWith('/api/v2/one'))).toBe(true);
  });
});

describe('the session check of a route', () => {
  const anonymous = (path: string, ...fields: string[]) =>
    rawRequest(fixture.gateway.port, anonymousHead(fixture.host, `GET ${path} HTTP/1.1`, ...fields));

  it('requires a session by default and responds 401 with the login URL (standards: F33)', async () => {
    const page = await anonymous('/api/one', 'Accept: text/html', 'Sec-Fetch-Mode: navigate');
    expect([page.status, page.header('content-type')]).toEqual([401, 'text/html; charset=utf-8']);
    expect(page.body.toString()).toContain('href="/auth/login"');
    for (const name of ['www-authenticate', 'location']) expect(namesOf(page.headers)).not.toContain(name);
    expect(page.header('cache-control')).toBe('no-store');

    const response = await anonymous('/api/one');
    expect([response.status, codeOf(response)]).toEqual([401, 'session_required']);
    expect(JSON.parse(response.body.toString()).loginUrl).toBe('/auth/login');
    expect(namesOf(response.headers)).not.toContain('www-authenticate');
    expect(namesOf(response.headers)).not.toContain('location');
    expect(response.header('cache-control')).toBe('no-store');
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    ['a forged cookie', 'Cookie: coatcheck=forged'],
    ['a cookie name in another case', 'Cookie: COATCHECK=TICKET'],
    ['a cookie without a name', 'Cookie: =coatcheck=TICKET'],
    ['two values of the session cookie', 'Cookie: coatcheck=TICKET; coatcheck=other'],
    ['cookies named like object properties', 'Cookie: __proto__=1; constructor=1; hasOwnProperty=1'],
    ['ten thousand other cookies', `Cookie: ${'a;'.repeat(5_000)}`],
  ])('rejects a request with %s (standards: E9)', async (_what, field) => {
    const response = await anonymous(
      '/api/one',
      field.replace('TICKET', fixture.ticket.slice('coatcheck='.length)),
    );
    expect(response.status).toBe(401);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it('uses an optional session when it exists and accepts requests without one', async () => {
    expect((await fixture.send('GET /optional/one HTTP/1.1')).status).toBe(200);
    expect(fixture.provider.isAccessTokenActive(fixture.received().bearer ?? '')).toBe(true);
    for (const cookie of [[], ['Cookie: coatcheck=forged']]) {
      expect((await anonymous('/optional/one', ...cookie)).status).toBe(200);
      expect(namesOf(fixture.received().headers)).not.toContain('authorization');
    }
  });

  it('sends no token to a route without authentication', async () => {
    expect((await fixture.send('GET /public/one HTTP/1.1')).status).toBe(200);
    expect(namesOf(fixture.received().headers)).not.toContain('authorization');
  });

  it('never uses the token of one user for another request (standards: G25)', async () => {
    const tokens = new Set<string | undefined>();
    for (const response of [
      fixture.send('GET /api/one HTTP/1.1'),
      anonymous('/optional/two'),
      anonymous('/optional/three'),
    ]) {
      await response;
    }
    for (const { target, bearer } of fixture.upstream.requests) {
      expect(bearer === undefined).toBe(target !== '/api/one');
      tokens.add(bearer);
    }
    expect(tokens.size).toBe(2);
  });
});
