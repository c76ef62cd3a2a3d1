import type { IncomingMessage } from 'node:http';
import { isIPv4, isIPv6 } from 'node:net';
import { GatewayError } from '../../errors.ts';

/** Throws `wrong_host` unless the request's `Host` is one of the served hosts. */
export type HostCheck = (request: IncomingMessage) => void;

/**
 * Accepts the host of `baseUrl`, with or without its default port, and `allowedHosts` (RFC 9110, section 7.4). The value
 * must match exactly. The gateway never builds a URL from it.
 */
export function createHostCheck(baseUrl: string, allowedHosts: readonly string[]): HostCheck {
  const { host, port, protocol } = new URL(baseUrl);
  const served = new Set([host, ...allowedHosts.map((allowed) => allowed.toLowerCase())]);
  if (port === '') served.add(`${host}:${protocol === 'https:' ? 443 : 80}`);
  return checkHost((requestedHost) => served.has(requestedHost), undefined);
}

/**
 * Accepts loopback names, IP addresses, the host that the admin listener is bound to, and `allowedHosts`: with any port,
 * unless an allowed host names one. HTTP/1.0 needs no `Host`; health checks of load balancers send none.
 *
 * SECURITY: DNS can point any other name at this listener, and a browser would let a page under that name read it (DNS
 * rebinding).
 */
export function createAdminHostCheck(
  boundHost: string | undefined,
  allowedHosts: readonly string[],
): HostCheck {
  const names = boundHost === undefined ? allowedHosts : [boundHost, ...allowedHosts];
  const served = new Set(names.map((host) => host.toLowerCase()));
  const check = checkHost((requestedHost) => {
    if (served.has(requestedHost)) return true;
    const [, name = '', address = name] =
      /^(\[([0-9a-f:.]+)\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec(requestedHost) ?? [];
    if (served.has(name) || name === 'localhost' || name.endsWith('.localhost')) return true;
    return name.startsWith('[') ? isIPv6(address) : isIPv4(address);
  }, adminPageText);
  return (request) => {
    if (request.headers.host === undefined && request.httpVersion === '1.0') return;
    check(request);
  };
}

const adminPageText = {
  title: 'Wrong address',
  detail: 'The console is at localhost, an IP address, or a name in admin.allowedHosts.',
};

/** `isServed` gets the value of `Host` in lower case. */
function checkHost(
  isServed: (requestedHost: string) => boolean,
  pageText: GatewayError['options']['pageText'],
): HostCheck {
  return (request) => {
    const { host } = request.headers;
    if (host === undefined || !isServed(host.toLowerCase())) {
      throw new GatewayError('wrong_host', {
        detail: 'This server does not serve that host.',
        ...(pageText && { pageText }),
      });
    }
    // SECURITY: Node uses the first of several Host fields; the upstream may use the last.
    let hosts = 0;
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const name = request.rawHeaders[at];
      if (name !== undefined && name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    }
    if (hosts > 1)
      throw new GatewayError('bad_request', { detail: 'The request has more than one Host header.' });
  };
}
