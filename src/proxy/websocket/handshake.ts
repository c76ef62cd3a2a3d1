import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** The suffix that servers add to the key of a client before they hash it (RFC 6455, section 1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Sixteen bytes in base64, once (RFC 6455, section 4.1). */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** True when a request is handled as an upgrade; any other is served as if it offered none (RFC 9110, section 7.8). */
export function offersWebSocket({ headers }: IncomingMessage): boolean {
  return /(?:^|,)[ \t]*websocket[ \t]*(?:,|$)/i.test(headers.upgrade ?? '');
}

/** True when a request asks for a WebSocket and nothing else. It must have no body. */
export function asksForWebSocket({ method, httpVersion, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    // Before HTTP/1.1 there was nothing to upgrade (RFC 9110, section 7.8).
    httpVersion === '1.1' &&
    KEY.test(headers['sec-websocket-key'] ?? '') &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['transfer-encoding'] === undefined &&
    (headers['content-length'] ?? '0') === '0'
  );
}

/** Throws `bad_request` for an upgrade to anything but a WebSocket. */
export function requireWebSocket(request: IncomingMessage): void {
  if (!asksForWebSocket(request))
    throw new GatewayError('bad_request', { detail: 'The only supported upgrade is WebSocket.' });
}

/** Returns the `Sec-WebSocket-Accept` value for a client's key. */
export function acceptanceOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/**
 * Takes the fields of a 101 that make the handshake, as a flat list of names and values; no other passes. Undefined when it
 * is none, or that of another client: what follows it would be no WebSocket.
 */
export function readHandshake(headers: IncomingHttpHeaders, acceptance: string): string[] | undefined {
  if (headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  if (headers['sec-websocket-accept'] !== acceptance) return undefined;
  const names = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'] as const;
  const kept = names.flatMap((name) => (headers[name] === undefined ? [] : [name, headers[name]]));
  return ['connection', 'Upgrade', 'upgrade', 'websocket', ...kept];
}
