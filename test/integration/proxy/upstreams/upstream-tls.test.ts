import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { type TLSSocket, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LoopbackServer, listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { UPGRADE } from '../websockets/handshake.ts';
import { selfSignedForLocalhost } from '../../../../testkit/network/self-signed.ts';
import { type Fixture, codeOf, openFixture } from '../fixture.ts';

const usual = getCACertificates('default');

let fixture: Fixture;
let server: LoopbackServer;
let both: LoopbackServer;
/** The name that each request's connection was opened for, and its target. */
const seen: [servername: unknown, target: string | undefined][] = [];

beforeAll(async () => {
  setDefaultCACertificates([...usual, selfSignedForLocalhost.cert]);
  const tls = createServer(selfSignedForLocalhost, (request, response) => {
    seen.push([(request.socket as TLSSocket).servername, request.url]);
    request.resume().once('end', () => response.end('ok'));
  });
  tls.on('upgrade', (request, socket) => {
    seen.push([(request.socket as TLSSocket).servername, request.url]);
    if (request.url !== '/named/live') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    );
    socket.pipe(socket);
  });
  tls.on('tlsClientError', () => {});
  server = await listenOnLoopback(tls);
  const offer = createSecureServer({ ...selfSignedForLocalhost, allowHTTP1: true }, (request, response) => {
    response.end(request.httpVersion);
  });
  both = await listenOnLoopback(offer);
  fixture = await openFixture({
    routes: [
      { path: '/both', upstream: `https://localhost:${both.port}` },
      { path: '/named', upstream: `https://localhost:${server.port}`, websocket: true },
      { path: '/misnamed', upstream: `https://127.0.0.1:${server.port}`, websocket: true },
    ],
  });
});

afterAll(async () => {
  await fixture.close();
  await Promise.all([server.stop(), both.stop()]);
  setDefaultCACertificates(usual);
});

describe.each([
  ['a request', 'GET', [], '', 200],
  ['a request with a body', 'POST', ['Content-Length: 4'], 'body', 200],
  [
    'a request with trailers',
    'POST',
    ['Transfer-Encoding: chunked', 'Trailer: X-Sum'],
    '0\r\nX-Sum: 1\r\n\r\n',
    200,
  ],
  ['an upgrade', 'GET', ['Origin: OWN', ...UPGRADE], '', 403],
] as const)('%s to an upstream over TLS', (_what, method, fields, body, status) => {
  const send = (path: string) => {
    seen.length = 0;
    const own = fields.map((field) => field.replace('OWN', fixture.gateway.url));
    return fixture.send(`${method} ${path} HTTP/1.1`, own, body);
  };

  it('sends the server name and succeeds when the certificate matches (standards: F30)', async () => {
    expect((await send('/named/one')).status).toBe(status);
    expect(seen).toEqual([['localhost', '/named/one']]);
  });

  it('responds 502 when a trusted certificate is for another name (standards: F30, B16)', async () => {
    const response = await send('/misnamed/one');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    expect(seen).toEqual([]);
  });
});

it('a WebSocket to an upstream over TLS carries bytes in both directions', async () => {
  const connection = await fixture.open();
  connection.write(fixture.head('GET /named/live HTTP/1.1', `Origin: ${fixture.gateway.url}`, ...UPGRADE));
  expect((await connection.readResponse()).status).toBe(101);
  const frame = Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 3, 0, 0]), Buffer.alloc(0x30000, 'z')]);
  connection.write(Buffer.concat([frame, Buffer.from([0x81, 4]), Buffer.from('last')]));
  expect((await connection.readUntil('last')).subarray(0, frame.length).equals(frame)).toBe(true);
  connection.close();
});

describe('an upstream that offers HTTP/2', () => {
  it('receives HTTP/1.1 requests', async () => {
    for (const path of ['/both/one', '/both/two']) {
      const response = await fixture.send(`GET ${path} HTTP/1.1`);
      expect([response.status, response.body.toString()]).toEqual([200, '1.1']);
    }
  });
});
