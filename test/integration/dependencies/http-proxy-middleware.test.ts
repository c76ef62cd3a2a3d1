import { createServer } from 'node:http';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { afterEach, expect, it } from 'vitest';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { startUpstream } from '../../../testkit/upstream/upstream.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that passes every request on by the library, with one header rule in its `proxyReq` event. */
async function startProxy() {
  const upstream = await startUpstream();
  const proxy = createProxyMiddleware({
    target: upstream.url,
    on: { proxyReq: (request) => void request.setHeader('Authorization', 'Bearer of-the-gateway') },
  });
  const pass = createServer();
  pass.on('request', (request, response) => void proxy(request, response, () => response.destroy()));
  pass.on('checkContinue', (request, response) => void proxy(request, response, () => response.destroy()));
  const { port, stop } = await listenOnLoopback(pass);
  closing.push(stop, upstream.close);
  return { port, upstream };
}

function post(fields: string) {
  return `POST /api HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer of-the-client\r\nContent-Length: 2\r\n${fields}\r\nhi`;
}

it('http-proxy-middleware 4 skips its proxyReq event when a request has Expect', async () => {
  const { port, upstream } = await startProxy();
  await rawRequest(port, post(''));
  await rawRequest(port, post('Expect: 100-continue\r\n'));
  expect(upstream.requests.map((request) => request.header('authorization'))).toEqual([
    'Bearer of-the-gateway',
    'Bearer of-the-client',
  ]);
});

it('http-proxy-middleware 4 forwards hop-by-hop fields and the fields that Connection names', async () => {
  const { port, upstream } = await startProxy();
  await rawRequest(port, post('Connection: close, X-Nominated\r\nX-Nominated: 1\r\nTE: trailers\r\n'));
  const [request] = upstream.requests;
  expect(request?.header('x-nominated')).toBe('1');
  expect(request?.header('te')).toBe('trailers');
});
