import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createResponseHeaderPolicy } from '../../../../src/proxy/response/headers.ts';
import { parseRoute } from '../../config/sample.ts';
import { namesOf, valuesOf } from '../header-list.ts';

/** The fields for the browser from these upstream fields, on a route with these keys. */
function passed(headers: IncomingHttpHeaders, keys: Record<string, unknown> = {}): string[] {
  return createResponseHeaderPolicy(parseRoute(keys))(headers, 'r1');
}

const inert = "default-src 'none'; frame-ancestors 'none'; sandbox";

describe('the response headers for the browser', () => {
  it('are inert, private and traceable even when the upstream sends none (F12, F20)', () => {
    expect(passed({})).toEqual([
      'cache-control',
      'no-store',
      'vary',
      'Cookie',
      'x-request-id',
      'r1',
      'x-content-type-options',
      'nosniff',
      'content-security-policy',
      inert,
      'cross-origin-resource-policy',
      'same-origin',
    ]);
  });

  it('contain the fields of the upstream unchanged and as often', () => {
    const flat = passed({
      'content-type': 'text/plain',
      'x-many': ['1', '2'],
      location: '/elsewhere',
      etag: '"a"',
    });
    const fields = [
      ['content-type', 'text/plain'],
      ['x-many', '1'],
      ['x-many', '2'],
      ['location', '/elsewhere'],
      ['etag', '"a"'],
    ];
    expect(flat.slice(0, 10)).toEqual(fields.flat());
  });

  it.each([
    'set-cookie2',
    'clear-site-data',
    'x-login-url',
    'x-accel-buffering',
    'x-accel-redirect',
    'x-litespeed-location',
    'x-reproxy-url',
    'x-sendfile',
    'x-lighttpd-send-file',
    'reporting-endpoints',
    'speculation-rules',
    'service-worker-allowed',
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'strict-transport-security',
    'public-key-pins',
    'alt-svc',
    'nel',
    'report-to',
    'accept-ch',
    'origin-agent-cluster',
    'use-as-dictionary',
    'secure-session-registration',
    'x-accel-redirect',
    'x-sendfile',
    'edge-control',
    'refresh',
    'server',
    'x-powered-by',
    'dpop-nonce',
    'proxy-authenticate',
    'proxy-status',
    'connection',
    'keep-alive',
    'transfer-encoding',
    'upgrade',
    'trailer',
    'content-security-policy-report-only',
    'surrogate-control',
    'cdn-cache-control',
    'vercel-cdn-cache-control',
  ])('contain no %s, which the API may not set (F3, F11)', (name) => {
    expect(namesOf(passed({ [name]: 'canary' }))).not.toContain(name);
  });

  it.each([
    'x-content-type-options',
    'content-security-policy',
    'cross-origin-resource-policy',
    'x-request-id',
  ])('contain only the %s of the gateway (F12)', (name) => {
    const values = valuesOf(passed({ [name]: 'canary' }), name);
    expect(values).toHaveLength(1);
    expect(values[0]).not.toBe('canary');
  });

  it('contain no field that Connection of the upstream nominates (F1)', () => {
    const flat = passed({ connection: 'close, X-Inner', 'x-inner': '1', 'x-outer': '1' });
    expect(namesOf(flat)).not.toContain('x-inner');
    expect(namesOf(flat)).toContain('x-outer');
  });
});

describe('the Cache-Control of a forwarded response', () => {
  const cacheControl = (value: string | string[]) =>
    valuesOf(passed({ 'cache-control': value } as IncomingHttpHeaders), 'cache-control');

  it.each([
    ['public, max-age=60', 'private, max-age=60'],
    ['public', 'private'],
    ['s-maxage=600', 'private'],
    ['S-MaxAge=600, Public, must-revalidate', 'private, must-revalidate'],
    ['max-age=60', 'private, max-age=60'],
    ['no-cache', 'private, no-cache'],
    ['private, max-age=60', 'private, max-age=60'],
    ['PRIVATE', 'PRIVATE'],
    ['no-store', 'no-store'],
    ['public, no-store', 'no-store'],
    ['proxy-revalidate, public', 'private'],
    [' , ,', 'private'],
    ['', 'no-store'],
    ['max-age=60,stale-while-revalidate=30', 'private, max-age=60, stale-while-revalidate=30'],
  ])('%o becomes %o: never for a shared cache (F20)', (value, forwarded) => {
    expect(cacheControl(value)).toEqual([forwarded]);
  });

  it('is one field even when the upstream sends several (F20)', () => {
    expect(cacheControl(['public', 'max-age=60'])).toEqual(['private, max-age=60']);
  });

  it.each([
    [undefined, 'Cookie'],
    ['Accept', 'Accept, Cookie'],
    ['accept, cookie', 'accept, cookie'],
    ['*', '*'],
    ['X-Cookie', 'X-Cookie, Cookie'],
  ])('comes with a Vary of Cookie besides %o (F20)', (vary, forwarded) => {
    expect(valuesOf(passed(vary === undefined ? {} : { vary }), 'vary')).toEqual([forwarded]);
  });
});

describe('the cookies of an upstream', () => {
  const keys = { cookies: { fromUpstream: ['theme'] } };
  const cookies = (setCookie: string[], given = keys) =>
    valuesOf(passed({ 'set-cookie': setCookie }, given), 'set-cookie');

  it('are forwarded when allowed, and never by default (F10)', () => {
    const lines = ['theme=dark; Path=/', 'other=1', 'Theme=light'];
    expect(cookies(lines)).toEqual(['theme=dark; Path=/']);
    expect(cookies(lines, { cookies: { fromUpstream: [] } })).toEqual([]);
  });

  it.each([
    'theme=dark; Domain=example.com',
    'theme=dark;domain=example.com',
    'theme=dark; Path=/; DOMAIN = .example.com',
    '__Host-Http-coatcheck=evil',
    'coatcheck=evil',
    '=theme=dark',
    'theme',
    '',
  ])('are not forwarded when sent as %o (F10)', (line) => {
    expect(cookies([line])).toEqual([]);
  });
});

describe('a challenge of an upstream', () => {
  it('is forwarded only when it is about tokens, because others open a dialog of the browser (F11)', () => {
    const challenges = (value: string) => valuesOf(passed({ 'www-authenticate': value }), 'www-authenticate');
    for (const value of ['Bearer error="invalid_token"', 'bearer', 'DPoP algs="ES256"'])
      expect(challenges(value)).toEqual([value]);
    for (const value of [
      'Basic realm="x"',
      'Negotiate',
      'Bearer, Basic realm="x"',
      'Digest qop="auth"',
      'Bearers x=1',
    ])
      expect(challenges(value)).toEqual([]);
  });
});

describe('the responseHeaders rules of a route', () => {
  it('set and remove fields of the upstream', () => {
    const rules = { set: { 'X-Frame-Options': 'DENY' }, remove: ['X-Inner'] };
    const flat = passed(
      { 'x-frame-options': 'canary', 'x-inner': 'canary', 'x-outer': '1' },
      { responseHeaders: rules },
    );
    expect(valuesOf(flat, 'x-frame-options')).toEqual(['DENY']);
    expect(namesOf(flat)).toContain('x-outer');
    expect(flat.join()).not.toContain('canary');
  });

  it.each(['Cache-Control', 'Content-Security-Policy', 'X-Content-Type-Options', 'X-Request-Id'])(
    'replace the %s of the gateway',
    (name) => {
      const flat = passed(
        { [name.toLowerCase()]: 'canary' },
        { responseHeaders: { set: { [name]: 'mine' } } },
      );
      expect(valuesOf(flat, name.toLowerCase())).toEqual(['mine']);
    },
  );

  it.each([
    ['Cache-Control', 'max-age=60', 'no-store'],
    ['Vary', 'Accept', 'Cookie'],
    ['Content-Security-Policy', "default-src 'self'", inert],
    ['X-Content-Type-Options', 'other', 'nosniff'],
  ])('remove the %s of the upstream and keep that of the gateway (F12, F20)', (name, said, left) => {
    const lower = name.toLowerCase();
    expect(valuesOf(passed({ [lower]: said }, { responseHeaders: { remove: [name] } }), lower)).toEqual([
      left,
    ]);
  });

  it('never remove the cookie from Vary (F20)', () => {
    const flat = passed({}, { responseHeaders: { set: { Vary: 'Accept' } } });
    expect(valuesOf(flat, 'vary')).toEqual(['Cookie', 'Accept']);
  });
});
