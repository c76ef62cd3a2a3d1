import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { acceptanceOf, asksForWebSocket, readHandshake } from '../../../../src/proxy/websocket/handshake.ts';
import { requestOf } from '../../http/request.ts';

const key = ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='] as const;
const upgrade = ['Upgrade', 'websocket'] as const;

describe('a WebSocket handshake request', () => {
  it.each([
    [{ headers: [key, upgrade] }, true],
    [{ headers: [key, ['Upgrade', 'WebSocket']] as const }, true],
    [{ headers: [key, upgrade, ['Content-Length', '0']] as const }, true],
    [{ headers: [key] }, false],
    [{ headers: [key, ['Upgrade', 'h2c']] as const }, false],
    [{ headers: [key, ['Upgrade', 'websocket, h2c']] as const }, false],
    [{ method: 'POST', headers: [key, upgrade] }, false],
    [{ headers: [key, upgrade, ['Content-Length', '5']] as const }, false],
    [{ headers: [key, upgrade, ['Transfer-Encoding', 'chunked']] as const }, false],
    [{ headers: [upgrade] }, false],
    [{ headers: [upgrade, ['Sec-WebSocket-Key', 'short']] as const }, false],
    [{ headers: [upgrade, key, key] }, false],
  ])('%o is accepted: %o (F26)', (given, asks) => {
    expect(asksForWebSocket(requestOf(given))).toBe(asks);
  });

  it('is rejected in HTTP/1.0, which has no upgrades', () => {
    const request = requestOf({ headers: [key, upgrade] });
    request.httpVersion = '1.0';
    expect(asksForWebSocket(request)).toBe(false);
  });
});

describe('a WebSocket handshake response', () => {
  // The example of RFC 6455, section 1.3.
  const acceptance = acceptanceOf('dGhlIHNhbXBsZSBub25jZQ==');
  const fieldsOf = (headers: IncomingHttpHeaders) => {
    const flat = readHandshake(headers, acceptance) ?? [];
    return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : [])));
  };
  const response = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-accept': acceptance };

  it('matches the key of the client', () => {
    expect(acceptance).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  });

  it('is forwarded with the handshake fields and no others (F10, F11)', () => {
    const chosen = { 'sec-websocket-protocol': 'chat', 'sec-websocket-extensions': 'permessage-deflate' };
    const others = { 'set-cookie': ['a=b'], server: 'x', 'access-control-allow-origin': '*' };
    expect(fieldsOf({ ...response, ...chosen, ...others })).toEqual({ ...response, ...chosen });
    expect(fieldsOf(response)).toEqual(response);
  });

  it.each([
    [{ ...response, upgrade: 'h2c' }],
    [{ ...response, 'sec-websocket-accept': acceptanceOf('another key') }],
    [{ upgrade: 'websocket' }],
    [{ 'sec-websocket-accept': acceptance }],
    [{}],
  ])('is rejected as %o: the connection would not be a WebSocket (F26)', (headers) => {
    expect(readHandshake(headers, acceptance)).toBeUndefined();
  });
});
