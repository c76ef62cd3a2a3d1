import { describe, expect, it } from 'vitest';
import {
  createRequestHeaderPolicy,
  type UpstreamRequestMetadata,
} from '../../../../src/proxy/request/headers.ts';
import { parseRoute } from '../../config/sample.ts';
import { namesOf, valuesOf } from '../header-list.ts';

const requestId = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';
const metadata = { credential: { authorization: 'Bearer at-1' }, clientAddress: '203.0.113.9', requestId };

/** The fields for the upstream from these client fields, on a route with these keys. */
function sent(
  fields: readonly (readonly [string, string])[],
  keys: Record<string, unknown> = {},
  given: Partial<UpstreamRequestMetadata> = {},
): string[] {
  const policy = createRequestHeaderPolicy(parseRoute(keys), {
    host: 'api.example.com:8443',
    baseUrl: 'https://app.example.com',
    identityFields: new Set(),
  });
  return policy(fields.flat(), { ...metadata, ...given });
}

describe('the request headers for the upstream', () => {
  it('begin with the host of the upstream and contain the metadata from the gateway (F17, A17)', () => {
    expect(sent([['Host', 'app.example.com']])).toEqual([
      'Host',
      'api.example.com:8443',
      'Authorization',
      'Bearer at-1',
      'X-Forwarded-For',
      '203.0.113.9',
      'X-Request-Id',
      requestId,
      'traceparent',
      '00-0f1e2d3c4b5a69788796a5b4c3d2e1f0-8796a5b4c3d2e1f0-01',
      'X-Forwarded-Host',
      'app.example.com',
      'X-Forwarded-Proto',
      'https',
    ]);
  });

  it('contain the fields of the client unchanged, in order and as often', () => {
    const fields = [
      ['Accept', 'text/html'],
      ['X-Custom', '1'],
      ['content-type', 'text/plain; charset="ü"'],
      ['X-Custom', '2'],
      ['Content-Length', '5'],
      ['X-Empty', ''],
    ] as const;
    expect(sent(fields).slice(2, 14)).toEqual(fields.flat());
  });

  it('contain no bearer token for an anonymous caller, and never that of the client (F9)', () => {
    for (const credential of [undefined, metadata.credential]) {
      const flat = sent(
        [
          ['Authorization', 'Bearer canary'],
          ['AUTHORIZATION', 'Basic canary'],
        ],
        {},
        { credential },
      );
      expect(valuesOf(flat, 'authorization')).toEqual(credential === undefined ? [] : ['Bearer at-1']);
      expect(flat.join()).not.toContain('canary');
    }
  });

  it.each([
    'Host',
    'Cookie',
    'DPoP',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Prefix',
    'X-Forwarded-Uri',
    'X-Forwarded-User',
    'X-FORWARDED-ANYTHING',
    'X-Real-IP',
    'X-Client-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Envoy-External-Address',
    'X-Forwarded',
    'X-Original-Forwarded-For',
    'Client-IP',
    'WL-Proxy-Client-IP',
    'Fly-Client-IP',
    'Remote-User',
    'Remote-Groups',
    'Remote-Email',
    'Remote-Name',
    'X-Authentik-Username',
    'X-Consumer-Username',
    'X-Userinfo',
    'X-Username',
    'X-Auth-User',
    'X-Jwt-Assertion',
    'X-ID-Token',
    'X-Access-Token',
    'OIDC-Claim-Sub',
    'Tailscale-User-Login',
    'X-ARR-ClientCert',
    'X-Amzn-Mtls-Clientcert',
    'X-Tls-Client-Cert',
    'X-Middleware-Subrequest',
    'X-Middleware-Next',
    'X-Accel-Mapping',
    'X-Sendfile-Type',
    'Azure-ClientIP',
    'X-ProxyUser-Ip',
    'Teleport-Jwt-Assertion',
    'X-Pomerium-Jwt-Assertion',
    'X-Vouch-User',
    'X-Remote-Addr',
    'X-Authenticated-User',
    'X-Amzn-Oidc-Identity',
    'X-Goog-Authenticated-User-Email',
    'X-Goog-IAP-JWT-Assertion',
    'X-MS-CLIENT-PRINCIPAL',
    'X-MS-CLIENT-PRINCIPAL-NAME',
    'Client-Cert',
    'Client-Cert-Chain',
    'SSL-Client-Verify',
    'X-SSL-Client-S-DN',
    'Front-End-Https',
    'Proxy',
    'X-User-Id',
    'X-Auth-Request-Email',
    'X-Remote-User',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'X-Request-Id',
    'X-Forward-Auth-Secret',
    'X-CSRF',
    'traceparent',
  ])('contain no %s from the client (F6)', (name) => {
    for (const written of [name, name.toLowerCase(), name.toUpperCase()])
      expect(sent([[written, 'canary']]).join('\n')).not.toContain('canary');
  });

  it.each([
    'Connection',
    'Proxy-Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Proxy-Authorization',
    'Proxy-Authenticate',
    'HTTP2-Settings',
    'Expect',
  ])('contain no %s, which concerns one connection (F3)', (name) => {
    expect(namesOf(sent([[name, 'x']]))).not.toContain(name.toLowerCase());
  });

  it.each([
    'X_Forwarded_For',
    'X.Forwarded.For',
    'Author_ization',
    'authorization_',
    'X-Forwarded-For ',
    'X!',
    'X~A',
    'é',
    '',
  ])('contain no field whose name could be read as another: %o (F7)', (name) => {
    expect(sent([[name, 'canary']]).join('\n')).not.toContain('canary');
  });

  it('contain no field that Connection nominates, over several lines too (F1)', () => {
    const flat = sent([
      ['X-One', '1'],
      ['Connection', 'close, X-One'],
      ['X-Two', '2'],
      ['connection', 'x-TWO,,'],
      ['X-Three', '3'],
    ]);
    expect(namesOf(flat).filter((name) => /^x-(?:one|two|three)$|connection/.test(name))).toEqual([
      'x-three',
    ]);
  });

  it('contain every field from the gateway, whatever the client nominates (F2)', () => {
    const nominated =
      'authorization, x-forwarded-for, x-forwarded-host, x-forwarded-proto, x-request-id, traceparent, host, content-length, cookie, x-set';
    const flat = sent(
      [
        ['Connection', nominated],
        ['Content-Length', '3'],
        ['Cookie', 'theme=dark'],
      ],
      { cookies: { toUpstream: ['theme'] }, requestHeaders: { set: { 'x-set': '1' } } },
    );
    expect(namesOf(flat).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'authorization',
      'content-length',
      'cookie',
      'host',
      'traceparent',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
      'x-set',
    ]);
  });
});

describe('requestHeaders.allow', () => {
  it('forwards only the named fields, the usual content fields and those of the gateway', () => {
    const headers = sent(
      [
        ['X-Allowed', '1'],
        ['X-Other', '2'],
        ['Accept', '*/*'],
        ['Accept-Language', 'en'],
        ['Content-Type', 'text/plain'],
        ['If-None-Match', '"a"'],
        ['Range', 'bytes=0-1'],
        ['Referer', 'https://app.example.com/'],
        ['X-Forwarded-User', 'root'],
      ],
      { requestHeaders: { allow: ['x-allowed', 'X-Forwarded-User'] } },
    ).join('\n');
    for (const passed of [
      'X-Allowed',
      'Accept',
      'Accept-Language',
      'Content-Type',
      'If-None-Match',
      'Range',
      'X-Request-Id',
    ])
      expect(headers).toContain(passed);
    for (const dropped of ['X-Other', 'Referer', 'X-Forwarded-User']) expect(headers).not.toContain(dropped);
  });
});

describe('the cookies forwarded to the upstream', () => {
  const keys = { cookies: { toUpstream: ['theme', 'lang'] } };

  it('are the allowed ones from all header lines, and none by default (A17)', () => {
    const fields = [
      ['Cookie', '__Host-Http-coatcheck=canary; theme=dark; other=1'],
      ['cookie', 'lang = en;x=theme=2; Theme=light'],
    ] as const;
    expect(valuesOf(sent(fields, keys), 'cookie')).toEqual(['theme=dark; lang = en']);
    expect(valuesOf(sent(fields), 'cookie')).toEqual([]);
  });

  it.each(['theme', 'themeX', '=theme=dark', 'theme-canary', ' ; ; ', ''])(
    'exclude a cookie without a name or a value: %o (E9)',
    (value) => {
      expect(valuesOf(sent([['Cookie', value]], keys), 'cookie')).toEqual([]);
    },
  );
});

describe('the traceparent of a forwarded request', () => {
  const trace = (value: string) => valuesOf(sent([['traceparent', value]]), 'traceparent');
  const own = '00-0f1e2d3c4b5a69788796a5b4c3d2e1f0-8796a5b4c3d2e1f0-01';
  const theirs = '4bf92f3577b34da6a3ce929d0e0e4736';

  it.each([
    [`00-${theirs}-00f067aa0ba902b7-01`, `00-${theirs}-8796a5b4c3d2e1f0-01`],
    [`00-${theirs}-00f067aa0ba902b7-00`, `00-${theirs}-8796a5b4c3d2e1f0-00`],
    [`00-${theirs}-00f067aa0ba902b7-03`, `00-${theirs}-8796a5b4c3d2e1f0-01`],
    [`00-${theirs}-00f067aa0ba902b7-02`, `00-${theirs}-8796a5b4c3d2e1f0-00`],
  ])('continues the trace %s with a new span', (value, forwarded) => {
    expect(trace(value)).toEqual([forwarded]);
  });

  it.each([
    '',
    'canary',
    `01-${theirs}-00f067aa0ba902b7-01`,
    `00-${theirs.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${theirs}-00f067aa0ba902b7-01-x`,
    `00-${theirs}-00f067aa0ba902b7-1`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${theirs}-${'0'.repeat(16)}-01`,
  ])('starts a new trace when the client sends %o (F6)', (value) => {
    expect(trace(value)).toEqual([own]);
  });
});

describe('the requestHeaders rules of a route', () => {
  it('set and remove fields of the client', () => {
    const rules = { set: { 'X-Tenant': 'acme' }, remove: ['X-Debug'] };
    const flat = sent(
      [
        ['x-tenant', 'canary'],
        ['X-Debug', 'canary'],
        ['X-Other', '1'],
      ],
      { requestHeaders: rules },
    );
    expect(valuesOf(flat, 'x-tenant')).toEqual(['acme']);
    expect(namesOf(flat)).toContain('x-other');
    expect(flat.join()).not.toContain('canary');
  });

  it.each(['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Request-Id', 'traceparent'])(
    'replace or remove the %s of the gateway',
    (name) => {
      const lower = name.toLowerCase();
      expect(valuesOf(sent([], { requestHeaders: { set: { [name]: 'mine' } } }), lower)).toEqual(['mine']);
      expect(valuesOf(sent([], { requestHeaders: { remove: [name] } }), lower)).toEqual([]);
    },
  );
});
