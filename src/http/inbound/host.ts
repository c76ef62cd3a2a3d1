import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** Throws `wrong_host` unless the request's `Host` is one of the configured hosts. */
export type HostCheck = (request: IncomingMessage) => void;

/**
 * Accepts the host of `baseUrl`, with or without its default port, and `allowedHosts` (RFC 9110, section 7.4). The value
 * must match exactly. The gateway never builds a URL from it.
 */
export function createHostCheck(baseUrl: string, allowedHosts: readonly string[]): HostCheck {
  const { host, port, protocol } = new URL(baseUrl);
  const served = new Set([host, ...allowedHosts.map((allowed) => allowed.toLowerCase())]);
  if (port === '') served.add(`${host}:${protocol === 'https:' ? 443 : 80}`);

  return (request) => {
    const { host: requestedHost } = request.headers;
    if (requestedHost === undefined || !served.has(requestedHost.toLowerCase())) {
      throw new GatewayError('wrong_host', { detail: 'This server does not serve that host.' });
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
