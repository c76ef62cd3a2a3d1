import { inertPolicy } from '../../http/security-headers.ts';
import { splitList } from '../../fields/whitespace.ts';
import { nameOf } from '../../sessions/cookie.ts';
import type { IncomingHttpHeaders } from 'node:http';
import type { RouteConfig } from '../../config/schema/schema.ts';
import { parseChallenges } from '../upstream/www-authenticate.ts';
import { hopByHop, mayTrail, nominatedBy, rememberNames } from '../header-names.ts';

/** Creates the header fields of the response to the browser from those of the upstream, as a flat list of names and values. */
export type ResponseHeaderPolicy = (headers: IncomingHttpHeaders, requestId: string) => string[];

/**
 * Fields that affect the whole origin, which belongs to the app, or a server in front of the gateway, or
 * that reveal details of the upstream.
 */
const forbidden = new Set([
  ...hopByHop,
  'trailer',
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'service-worker-allowed',
  'strict-transport-security',
  'public-key-pins',
  'public-key-pins-report-only',
  'expect-ct',
  'alt-svc',
  'nel',
  'report-to',
  'accept-ch',
  'critical-ch',
  'origin-agent-cluster',
  'use-as-dictionary',
  'set-login',
  'sec-session-registration',
  'secure-session-registration',
  'refresh',
  'server',
  'x-powered-by',
  'dpop-nonce',
  'www-authenticate',
  'surrogate-control',
  'edge-control',
  'x-litespeed-cache-control',
  'x-litespeed-location',
  'x-reproxy-url',
  'x-sendfile',
  'x-sendfile2',
  'x-lighttpd-send-file',
  'reporting-endpoints',
  'speculation-rules',
  'cross-origin-resource-policy',
  'x-request-id',
  'x-login-url',
  'x-content-type-options',
  'content-security-policy',
  'content-security-policy-report-only',
]);
const forbiddenPrefixes = ['access-control-', 'proxy-', 'x-accel-'];
/** Fields that only shared caches read (RFC 9213), under the name of each cache. */
const forbiddenSuffix = 'cdn-cache-control';

/** The header policy for responses. Pure. */
export function createResponseHeaderPolicy(
  route: Pick<RouteConfig, 'responseHeaders' | 'cookies'>,
): ResponseHeaderPolicy {
  const { set } = route.responseHeaders;
  const replaced = replacedBy(route);
  const cookies = new Set(route.cookies.fromUpstream);
  const isKept = rememberNames((name) => mayPass(name, replaced));
  const saidOf = (name: string, value: FieldValue) => (replaced.has(name) ? '' : joined(value));
  const cacheControl = rememberNames(privateCacheControl);
  const vary = rememberNames(varyByCookie);
  // `set` replaces the gateway's own fields too; `remove` applies to the upstream's fields only.
  const isSet = new Set(Object.keys(set).map((name) => name.toLowerCase()));
  const [saysCaching, saysRequestId] = ['cache-control', 'x-request-id'].map((name) => !isSet.has(name));
  const sameForAll = Object.entries({
    'x-content-type-options': 'nosniff',
    'content-security-policy': inertPolicy,
    // Another site must not load the response of an API as an image or script.
    'cross-origin-resource-policy': 'same-origin',
  })
    .filter(([name]) => !isSet.has(name))
    .concat(Object.entries(set))
    .flat();

  return (headers, requestId) => {
    const nominated = nominatedBy(headers.connection);
    const out: string[] = [];
    for (const name in headers) {
      const value = headers[name];
      if (value === undefined || !isKept(name) || nominated?.has(name) === true) continue;
      if (name === 'cache-control' || name === 'vary') continue;
      if (typeof value === 'string') out.push(name, value);
      else for (const each of value) out.push(name, each);
    }
    if (cookies.size > 0) {
      for (const each of listOf(headers['set-cookie']))
        if (isAllowed(each, cookies)) out.push('set-cookie', each);
    }
    if (!replaced.has('www-authenticate') && headers['www-authenticate'] !== undefined) {
      for (const each of listOf(headers['www-authenticate'])) {
        if (isTokenChallenge(each)) out.push('www-authenticate', each);
      }
    }
    if (saysCaching)
      out.push('cache-control', cacheControl(saidOf('cache-control', headers['cache-control'])));
    out.push('vary', vary(saidOf('vary', headers.vary)));
    if (saysRequestId) out.push('x-request-id', requestId);
    out.push(...sameForAll);
    return out;
  };
}

/** Creates the test for names of trailer fields, in lower case: fields that are forbidden in the head are forbidden there. */
export function createResponseTrailerPolicy(
  route: Pick<RouteConfig, 'responseHeaders'>,
): (name: string) => boolean {
  const replaced = replacedBy(route);
  return (name) => mayTrail(name) && mayPass(name, replaced);
}

function replacedBy({ responseHeaders }: Pick<RouteConfig, 'responseHeaders'>): ReadonlySet<string> {
  return new Set(
    [...Object.keys(responseHeaders.set), ...responseHeaders.remove].map((name) => name.toLowerCase()),
  );
}

function mayPass(name: string, replaced: ReadonlySet<string>): boolean {
  return (
    !forbidden.has(name) &&
    !forbiddenPrefixes.some((prefix) => name.startsWith(prefix)) &&
    !name.endsWith(forbiddenSuffix) &&
    !replaced.has(name)
  );
}

/**
 * `no-store` where the upstream said nothing; otherwise what it said, without what would let a shared cache keep it. The
 * request to the upstream had an Authorization field, which RFC 9111, section 3.5 protects; the browser's had a cookie,
 * which it does not (CVE-2025-48947).
 */
function privateCacheControl(value: string): string {
  const directives = splitList(value).filter(
    (directive) => directive !== '' && !/^(?:public|s-maxage(?:=.*)?|proxy-revalidate)$/i.test(directive),
  );
  if (directives.length === 0) return value === '' ? 'no-store' : 'private';
  const isPrivate = directives.some((directive) => /^(?:private|no-store)$/i.test(directive));
  return isPrivate ? directives.join(', ') : ['private', ...directives].join(', ');
}

function varyByCookie(value: string): string {
  const names = splitList(value);
  if (names.includes('*') || names.some((name) => name.toLowerCase() === 'cookie')) return value;
  return value === '' ? 'Cookie' : `${value}, Cookie`;
}

/** The app can use a challenge for a token; Basic and Negotiate would open a dialog of the browser. */
function isTokenChallenge(value: string): boolean {
  return parseChallenges(value).every(({ scheme }) => scheme === 'bearer' || scheme === 'dpop');
}

/** SECURITY: an allowed cookie stays on this host: one with a Domain would be tossed over its siblings. */
function isAllowed(setCookie: string, names: ReadonlySet<string>): boolean {
  return names.has(nameOf(setCookie)) && !/;[ \t]*domain[ \t]*=/i.test(setCookie);
}

/** A field that came more than once is a list, whatever Node's type says of it. */
type FieldValue = string | readonly string[] | undefined;

function joined(value: FieldValue): string {
  return typeof value === 'object' ? value.join(', ') : (value ?? '');
}

function listOf(value: FieldValue): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? []);
}
