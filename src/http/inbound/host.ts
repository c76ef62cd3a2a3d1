import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** Throws `wrong_host` unless a request is for this gateway. */
export type HostCheck = (request: IncomingMessage) => void;

/**
 * Lets only the configured hosts through (RFC 9110, section 7.4): `baseUrl`'s, with or without a default port, and
 * `allowedHosts`. The value must be exact; it is never used to build anything.
 */
export function createHostCheck(baseUrl: string, allowedHosts: readonly string[]): HostCheck {
  const { host, port, protocol } = new URL(baseUrl);
  const served = new Set([host, ...allowedHosts.map((allowed) => allowed.toLowerCase())]);
  if (port === '') served.add(`${host}:${protocol === 'https:' ? 443 : 80}`);

  return (request) => {
    const { host: asked } = request.headers;
    if (asked === undefined || !served.has(asked.toLowerCase())) {
      throw new GatewayError('wrong_host', { detail: 'This server does not serve that host.' });
    }
    // SECURITY: Node keeps the first of several Host fields; the next server may keep the last.
    let hosts = 0;
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const name = request.rawHeaders[at];
      if (name !== undefined && name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
    }
    if (hosts > 1)
      throw new GatewayError('bad_request', { detail: 'The request has more than one Host header.' });
  };
}
