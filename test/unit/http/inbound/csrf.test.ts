import { describe, expect, it } from 'vitest';
import { createOriginPolicy, type OriginPolicy } from '../../../../src/http/inbound/csrf.ts';
import { requestOf } from '../request.ts';

const baseUrl = 'https://app.example.com';
const safeMethods = ['GET', 'HEAD', 'OPTIONS'];
const unsafeMethods = ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'];
const methods = [...safeMethods, ...unsafeMethods];

type Headers = readonly (readonly [string, string])[];

/** The error code of a rejected request, or undefined when it is accepted. */
function ask(policy: OriginPolicy, kind: keyof OriginPolicy, method: string, headers: Headers): unknown {
  try {
    policy[kind](requestOf({ method, headers }));
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const site = (value: string) => ['Sec-Fetch-Site', value] as const;
const origin = (value: string) => ['Origin', value] as const;
const mode = (value: string) => ['Sec-Fetch-Mode', value] as const;
const destination = (value: string) => ['Sec-Fetch-Dest', value] as const;
const csrf = (value: string) => ['X-CSRF', value] as const;

describe.each(['fetch-metadata', 'header'] as const)('in mode %s', (configured) => {
  const policy = createOriginPolicy(baseUrl, configured);
  /** The static header, where the mode asks for it besides. */
  const besides = configured === 'header' ? [csrf('1')] : [];

  describe.each(['checkRequest', 'checkForm'] as const)('%s', (kind) => {
    it("accepts every request of the app's own pages (A10)", () => {
      for (const method of methods) {
        for (const own of [[], [origin(baseUrl)]])
          expect(ask(policy, kind, method, [site('same-origin'), ...own, ...besides])).toBeUndefined();
      }
    });

    it('accepts a navigation that the user started if it changes nothing (A10)', () => {
      for (const method of safeMethods)
        expect(ask(policy, kind, method, [site('none'), ...besides])).toBeUndefined();
      for (const method of unsafeMethods)
        expect(ask(policy, kind, method, [site('none'), ...besides])).toBe('csrf_rejected');
    });

    it('rejects requests from other sites and sibling hosts, whatever their method or headers (A10, A13)', () => {
      for (const value of ['cross-site', 'same-site', 'Same-Origin', 'same-origin, same-origin', 'evil', ''])
        for (const method of methods)
          for (const more of [[], [csrf('1')], [csrf('1'), origin(baseUrl)]])
            expect(ask(policy, kind, method, [site(value), ...more])).toBe('csrf_rejected');
    });

    it('accepts a client without fetch metadata by the static header alone (A11)', () => {
      for (const method of methods) {
        expect(ask(policy, kind, method, [csrf('1')])).toBeUndefined();
        expect(ask(policy, kind, method, [csrf('1'), origin(baseUrl)])).toBeUndefined();
        expect(ask(policy, kind, method, [])).toBe('csrf_rejected');
        expect(ask(policy, kind, method, [origin(baseUrl)])).toBe('csrf_rejected');
      }
    });

    it('accepts the static header only once and with its one value (A11)', () => {
      for (const value of ['', '0', '01', '1 ', '1, 1', 'true'])
        expect(ask(policy, kind, 'GET', [csrf(value)])).toBe('csrf_rejected');
      expect(ask(policy, kind, 'GET', [csrf('1'), csrf('1')])).toBe('csrf_rejected');
    });

    it.each([
      'https://evil.test',
      'null',
      '',
      'http://app.example.com',
      'https://app.example.com:443',
      'https://app.example.com/',
      'https://app.example.com.evil.test',
      'https://evilapp.example.com',
      'https://api.app.example.com',
      'https://APP.example.com',
      'https://app.example.com, https://app.example.com',
    ])('rejects every request with the origin %o, whatever its other headers (A12)', (foreign) => {
      for (const method of methods)
        for (const more of [[site('same-origin')], [site('none')], []])
          expect(ask(policy, kind, method, [origin(foreign), csrf('1'), ...more])).toBe('origin_rejected');
    });
  });

  it.each([
    ['our own origin', [origin(baseUrl)], undefined],
    ['no origin', [], 'origin_rejected'],
    ['no origin, but fetch metadata', [site('same-origin'), csrf('1')], 'origin_rejected'],
    ['an opaque origin', [origin('null')], 'origin_rejected'],
    ['a sibling', [origin('https://api.example.com'), site('same-site')], 'origin_rejected'],
    ['a look-alike', [origin('https://app.example.com.evil.test')], 'origin_rejected'],
    ['two origins', [origin(baseUrl), origin('https://evil.test')], 'origin_rejected'],
  ])('checks an upgrade request with %s (F24)', (_whose, headers, code) => {
    expect(ask(policy, 'checkUpgrade', 'GET', headers)).toBe(code);
  });
});

/** The headers of browsers behind an app's service worker that calls `respondWith(fetch(event.request))`. */
const behindServiceWorker = {
  'Firefox, a form of another site': [
    site('same-origin'),
    mode('same-origin'),
    destination('empty'),
    origin(baseUrl),
  ],
  'Chromium, a form of another site': [
    site('cross-site'),
    mode('navigate'),
    destination('empty'),
    origin('null'),
  ],
  'WebKit, a form of another site': [mode('navigate'), origin('https://evil.test')],
} as const;

describe('with a service worker that repeats navigations', () => {
  const policy = createOriginPolicy(baseUrl, 'fetch-metadata');
  const types = [
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain;charset=UTF-8',
    'TEXT/PLAIN',
  ];

  it.each(Object.entries(behindServiceWorker))(
    'rejects the form post of another site behind a service worker: %s (A10)',
    (_which, headers) => {
      for (const type of types)
        for (const method of unsafeMethods)
          expect(ask(policy, 'checkRequest', method, [...headers, ['Content-Type', type]])).toMatch(
            /^(?:csrf|origin)_rejected$/,
          );
      expect(ask(policy, 'checkRequest', 'POST', headers)).toMatch(/^(?:csrf|origin)_rejected$/);
    },
  );

  it('accepts behind a service worker what no form can send: another body type, or the static header (A10, A11)', () => {
    const headers = behindServiceWorker['Firefox, a form of another site'];
    expect(
      ask(policy, 'checkRequest', 'POST', [...headers, ['Content-Type', 'application/json']]),
    ).toBeUndefined();
    expect(ask(policy, 'checkRequest', 'GET', headers)).toBeUndefined();
    for (const type of types)
      expect(
        ask(policy, 'checkRequest', 'POST', [...headers, ['Content-Type', type], csrf('1')]),
      ).toBeUndefined();
  });

  it('distinguishes the sign-out form of the app from that of another site by its Referer (A10, D2)', () => {
    const headers = behindServiceWorker['Firefox, a form of another site'];
    const referer = (value: string) => [...headers, ['Referer', value]] as const;
    for (const own of [baseUrl, `${baseUrl}/`, `${baseUrl}/account?a=1`])
      expect(ask(policy, 'checkForm', 'POST', referer(own))).toBeUndefined();
    for (const other of ['', 'https://blog.example.com/', `${baseUrl}.evil.test/`, 'http://app.example.com/'])
      expect(ask(policy, 'checkForm', 'POST', referer(other))).toBe('csrf_rejected');
    for (const foreign of Object.values(behindServiceWorker))
      expect(ask(policy, 'checkForm', 'POST', foreign)).toMatch(/^(?:csrf|origin)_rejected$/);
    expect(ask(policy, 'checkForm', 'POST', [...headers, csrf('1')])).toBeUndefined();
  });

  it('rejects every request without the static header in header mode (A11)', () => {
    const strict = createOriginPolicy(baseUrl, 'header');
    for (const headers of Object.values(behindServiceWorker))
      expect(ask(strict, 'checkRequest', 'POST', [...headers, ['Content-Type', 'application/json']])).toMatch(
        /^(?:csrf|origin)_rejected$/,
      );
  });
});

describe('in header mode', () => {
  it('requires the static header of every request, including reads (A11)', () => {
    const policy = createOriginPolicy(baseUrl, 'header');
    for (const method of methods)
      expect(ask(policy, 'checkRequest', method, [site('same-origin'), origin(baseUrl)])).toBe(
        'csrf_rejected',
      );
    expect(ask(policy, 'checkRequest', 'GET', [site('none')])).toBe('csrf_rejected');
  });

  it('does not require the static header of a form, which cannot set it', () => {
    const policy = createOriginPolicy(baseUrl, 'header');
    expect(ask(policy, 'checkForm', 'POST', [site('same-origin'), origin(baseUrl)])).toBeUndefined();
  });
});
