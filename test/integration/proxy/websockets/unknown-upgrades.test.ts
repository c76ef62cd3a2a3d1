import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { createGateway } from '../../../../src/gateway.ts';
import { createLogger } from '../../../../src/observability/log.ts';
import { type RunningServer, startServer } from '../../../../src/server.ts';
import { type FakeProvider, startFakeProvider } from '../../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig } from '../../../../testkit/gateway/gateway-config.ts';
import { listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { openRaw, rawRequest } from '../../../../testkit/network/raw-client.ts';
import { type Upstream, startUpstream } from '../../../../testkit/upstream/upstream.ts';

/** The address that clients ask for; the listener is on another port, which does not matter to the gateway. */
const HOST = '127.0.0.1:3000';
const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];

let provider: FakeProvider;
let upstream: Upstream;
let devServer: Upstream;
let server: RunningServer;
let port: number;

beforeAll(async () => {
  [provider, upstream, devServer] = await Promise.all([
    startFakeProvider(),
    startUpstream(),
    startUpstream(),
  ]);
  server = await startServer(config(), createLogger(config().log, { write: () => undefined }));
  port = Number(new URL(server.url).port);
});

beforeEach(() => {
  for (const { requests, upgrades } of [upstream, devServer]) requests.length = upgrades.length = 0;
});

afterAll(async () => {
  await server.stop();
  await Promise.all([provider.close(), upstream.close(), devServer.close()]);
});

function config() {
  const routes = [{ path: '/public', upstream: upstream.url, auth: 'none', websocket: true }];
  const keys = { routes, spa: { devServer: devServer.url } };
  return parseConfig(gatewayConfig({ provider, upstream, config: keys }, `http://${HOST}`, '127.0.0.1:0'));
}

const head = (requestLine: string, ...fields: string[]) =>
  [requestLine, `Host: ${HOST}`, ...fields, '', ''].join('\r\n');

/** Expects that nothing of an upgrade came along. */
function expectPlain({ requests, upgrades }: Upstream, target: string) {
  expect(upgrades).toEqual([]);
  expect(requests.map((request) => request.target)).toEqual([target]);
  for (const name of ['upgrade', 'http2-settings']) expect(requests[0]?.header(name)).toBeUndefined();
  expect(requests[0]?.header('connection')).not.toMatch(/upgrade|http2/i);
}

describe('a request that offers an upgrade to a protocol other than WebSocket', () => {
  it.each(['h2c', 'foo', 'TLS/1.0, h2c'])(
    'is handled as a plain request: %s (RFC 9110, section 7.8)',
    async (offer) => {
      const fields = H2C.map((field) => field.replace('h2c', offer));
      const response = await rawRequest(port, head('GET /public/one HTTP/1.1', ...fields));
      expect([response.status, response.header('connection')]).toEqual([200, 'close']);
      expectPlain(upstream, '/public/one');
      const session = head('GET /auth/session HTTP/1.1', 'X-CSRF: 1', ...fields);
      expect((await rawRequest(port, session)).status).toBe(200);
    },
  );

  it('is forwarded with its body', async () => {
    const request = head('POST /public/one HTTP/1.1', 'X-CSRF: 1', ...H2C, 'Content-Length: 4');
    expect((await rawRequest(port, `${request}body`)).status).toBe(200);
    expectPlain(upstream, '/public/one');
    expect(upstream.requests[0]).toMatchObject({ method: 'POST', bodyBytes: 4 });
  });

  it('is the last on its connection because the following bytes could be in the other protocol (standards: F26)', async () => {
    const connection = await openRaw(port);
    connection.write(head('GET /public/one HTTP/1.1', ...H2C) + head('GET /public/smuggled HTTP/1.1'));
    expect((await connection.readResponse()).status).toBe(200);
    await connection.ended;
    expect(connection.pending().length).toBe(0);
    expectPlain(upstream, '/public/one');
    connection.close();
  });

  it('is forwarded to the development server as a plain request', async () => {
    expect((await rawRequest(port, head('GET /page HTTP/1.1', ...H2C))).status).toBe(200);
    expectPlain(devServer, '/page');
  });

  it('is handled in the same way behind a custom server', async () => {
    const gateway = createGateway(config(), { log: createLogger(config().log, { write: () => undefined }) });
    const own = createServer(gateway.serverOptions, gateway.app).on(
      'upgrade',
      (request, socket: Socket, early) => gateway.upgrade(request, socket, early),
    );
    const listener = await listenOnLoopback(own);
    const response = await rawRequest(listener.port, head('GET /public/one HTTP/1.1', ...H2C));
    expect([response.status, response.header('connection')]).toEqual([200, 'close']);
    await listener.stop();
    await gateway.close();
  });
});

describe('a request that offers an upgrade to WebSocket', () => {
  const handshake = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'];

  it.each([
    ['WebSocket', 101],
    ['h2c, websocket', 400],
  ])('is handled as an upgrade: %s', async (offer, status) => {
    const fields = ['Connection: Upgrade', `Upgrade: ${offer}`, `Origin: http://${HOST}`, ...handshake];
    const connection = await openRaw(port);
    connection.write(head('GET /public/live HTTP/1.1', ...fields));
    expect((await connection.readResponse()).status).toBe(status);
    connection.close();
    expect(upstream.requests).toEqual([]);
  });
});
