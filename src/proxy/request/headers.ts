import { trimWhitespace } from '../../fields/whitespace.ts';
import { nameOf } from '../../sessions/cookie.ts';
import type { RouteConfig } from '../../config/schema/schema.ts';
import { hopByHop, nominatedBy, rememberNames, withoutFields } from '../header-names.ts';
import type { Authorization } from '../upstream/authorization.ts';

/** The gateway's own data about a request, which replaces that of the client. */
export type UpstreamRequestMetadata = {
  /** Undefined for a request without a token. */
  readonly credential: Authorization | undefined;
  /** Who calls, as a flat list of names and values; undefined for a route that tells nothing, or an anonymous caller. */
  readonly identity?: readonly string[] | undefined;
  readonly clientAddress: string;
  readonly requestId: string;
  /** The gateway's own, when traces are collected. */
  readonly traceparent?: string | undefined;
};

/** The keys of a route that decide on its header fields. */
type HeaderConfig = Pick<RouteConfig, 'requestHeaders' | 'cookies'>;

/** Creates the header fields of an upstream request from those of the client, as a flat list of names and values. */
export type RequestHeaderPolicy = (
  rawHeaders: readonly string[],
  metadata: UpstreamRequestMetadata,
) => string[];

/**
 * Fields that a client must not set on an upstream request: credentials, the identity of the client, where a request went
 * first, and how to interpret it (RFC 9700, section 4.13). CGI programs read `Proxy` as a setting (CVE-2016-5385).
 */
const forbidden = new Set([
  ...hopByHop,
  'host',
  'trailer',
  'authorization',
  'dpop',
  'cookie',
  'proxy',
  'forwarded',
  'x-forwarded',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-originating-ip',
  'true-client-ip',
  'fastly-client-ip',
  'x-csrf',
  'x-request-id',
  'x-forward-auth-secret',
  'x-host',
  'x-scheme',
  'x-url-scheme',
  'front-end-https',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'remote-user',
  'remote-groups',
  'remote-email',
  'remote-name',
  'client-ip',
  'wl-proxy-client-ip',
  'wl-proxy-ssl',
  'fly-client-ip',
  'x-userinfo',
  'x-username',
  'x-jwt-assertion',
  'x-id-token',
  'x-access-token',
  'x-arr-clientcert',
  'x-tls-client-cert',
  'x-middleware-subrequest',
  'x-middleware-next',
  'x-accel-mapping',
  'x-sendfile-type',
  'azure-clientip',
  'x-proxyuser-ip',
  'teleport-jwt-assertion',
]);
/** The last lines are fields in which sign-in proxies of clouds and servers name a user, a certificate or an address. */
const forbiddenPrefixes = [
  'proxy-',
  'x-forwarded-',
  'x-original-',
  'x-remote-',
  'x-user-',
  'x-auth-',
  'x-authentik-',
  'x-consumer-',
  'x-credential-',
  'oidc-',
  'tailscale-user-',
  'x-pomerium-',
  'x-vouch-',
  'x-amzn-mtls-',
  'x-tls-client-cert-',
  'x-authenticated-',
  'x-webauth-',
  'x-envoy-',
  'cf-',
  'x-amzn-oidc-',
  'x-goog-authenticated-',
  'x-goog-iap-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-appengine-',
  'x-azure-',
  'client-cert',
  'x-client-cert',
  'ssl-client-',
  'x-ssl-',
];

/** The fields that pass besides those of `requestHeaders.allow`: they describe the content and the requested form of it. */
const contentFields =
  /^(?:accept(?:-[a-z]+)*|content-[a-z-]+|if-[a-z-]+|range|user-agent|cache-control|pragma)$/;

/**
 * The header policy for requests. Pure: first it removes everything that may not pass, then it adds the gateway's own
 * fields, so that nothing a client sends, including `Connection`, can remove them (CVE-2024-45410).
 */
export function createRequestHeaderPolicy(
  route: HeaderConfig,
  target: { host: string; baseUrl: string; identityFields: ReadonlySet<string> },
): RequestHeaderPolicy {
  const { identityFields } = target;
  const replaced = replacedBy(route);
  const cookies = new Set(route.cookies.toUpstream);
  const added = Object.entries(route.requestHeaders.set).flat();
  const { host: forwardedHost, protocol } = new URL(target.baseUrl);
  const sameForAll = Object.entries({
    'X-Forwarded-Host': forwardedHost,
    'X-Forwarded-Proto': protocol.slice(0, -1),
  })
    .filter(([name]) => !replaced.has(name.toLowerCase()))
    .flat()
    .concat(added);
  const [saysAddress, saysRequestId, saysTrace] = ['x-forwarded-for', 'x-request-id', 'traceparent'].map(
    (name) => !replaced.has(name),
  );
  const allowed = new Set(route.requestHeaders.allow.map((name) => name.toLowerCase()));
  const isAllowed = (name: string) => allowed.size === 0 || allowed.has(name) || contentFields.test(name);
  const isKept = rememberNames((name) => {
    const lowerCase = name.toLowerCase();
    // SECURITY: a client's own copies never pass, also where the gateway sends none: another route tells its upstream by them.
    return mayPass(lowerCase, replaced) && !identityFields.has(lowerCase) && isAllowed(lowerCase);
  });

  return (rawHeaders, { credential, identity, clientAddress, requestId, traceparent }) => {
    const headers: string[] = ['Host', target.host];
    let nominated: ReadonlySet<string> | undefined;
    let cookie = '';
    let trace: string | undefined;
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at] ?? '';
      const value = rawHeaders[at + 1] ?? '';
      if (name.length === 10 && name.toLowerCase() === 'connection')
        nominated = merge(nominated, nominatedBy(value));
      else if (cookies.size > 0 && name.toLowerCase() === 'cookie')
        cookie = keepCookies(cookie, value, cookies);
      else if (name.length === 11 && name.toLowerCase() === 'traceparent') trace = value;
      else if (isKept(name)) headers.push(name, value);
    }
    const kept = nominated === undefined ? headers : without(headers, nominated);
    if (cookie !== '') kept.push('Cookie', cookie);
    if (credential !== undefined) {
      kept.push('Authorization', credential.authorization);
      if (credential.dpop !== undefined) kept.push('DPoP', credential.dpop);
    }
    if (identity !== undefined) kept.push(...identity);
    if (saysAddress) kept.push('X-Forwarded-For', clientAddress);
    if (saysRequestId) kept.push('X-Request-Id', requestId);
    if (saysTrace) kept.push('traceparent', traceparent ?? traceParent(trace, requestId));
    kept.push(...sameForAll);
    return kept;
  };
}

function replacedBy({ requestHeaders: { set, remove } }: HeaderConfig): ReadonlySet<string> {
  return new Set([...Object.keys(set), ...remove].map((name) => name.toLowerCase()));
}

function mayPass(name: string, replaced: ReadonlySet<string>): boolean {
  return (
    // SECURITY: "X_Forwarded_For" is the same field to some upstreams (CVE-2025-64484, CVE-2026-88011).
    /^[a-z0-9-]+$/.test(name) &&
    !forbidden.has(name) &&
    !forbiddenPrefixes.some((prefix) => name.startsWith(prefix)) &&
    !replaced.has(name)
  );
}

function merge(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined) {
  return a === undefined || b === undefined ? (a ?? b) : new Set([...a, ...b]);
}

/** Leaves out the nominated fields; the length of the body is framing, and not the client's to take away. */
function without(headers: readonly string[], nominated: ReadonlySet<string>): string[] {
  return withoutFields(
    headers,
    (name) => name !== 'host' && name !== 'content-length' && nominated.has(name),
  );
}

function keepCookies(sofar: string, header: string, names: ReadonlySet<string>): string {
  const kept = header.split(';').filter((part) => names.has(nameOf(part)));
  return [sofar, ...kept.map(trimWhitespace)].filter((part) => part !== '').join('; ');
}

/** A trace id and a parent id that are not all zeros, and the flags, of which the last bit says "sampled". */
const traceContext = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/**
 * The gateway's own `traceparent` (W3C Trace Context, section 3.2): a new span, in the client's trace where it sent a
 * valid one, else in a trace named by the request id.
 */
function traceParent(incoming: string | undefined, requestId: string): string {
  const own = requestId.replaceAll('-', '');
  if (incoming === undefined) return `00-${own}-${own.slice(16)}-01`;
  const match = traceContext.exec(incoming);
  const isSampled = match === null || Number.parseInt(match[2] ?? '', 16) % 2 === 1;
  return `00-${match?.[1] ?? own}-${own.slice(16)}-0${isSampled ? 1 : 0}`;
}
