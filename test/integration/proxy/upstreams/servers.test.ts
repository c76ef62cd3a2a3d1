import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { createRoutes } from '../../../../src/proxy/routes.ts';
import { createRotatingLookup } from '../../../../src/proxy/upstream/lookup.ts';
import { createUpstreams } from '../../../../src/proxy/upstream/pools.ts';
import { openTestGatewayForTest } from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import { createCertificateAuthority } from '../../../../testkit/network/certificate-authority.ts';
import { freePort } from '../../../../testkit/network/free-port.ts';
import { listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { status } from '../../../../testkit/upstream/behaviours.ts';
import { type Upstream, startUpstream } from '../../../../testkit/upstream/upstream.ts';
import { minimal } from '../../../unit/config/sample.ts';
import { ask } from './ask.ts';

async function startServer(): Promise<Upstream> {
  const server = await startUpstream();
  server.respond(status(200));
  onTestFinished(() => server.close());
  return server;
}

/** A gateway whose API has several servers, with a person signed in. */
async function open(urls: readonly string[], keys: object = {}) {
  const testGateway = await openTestGatewayForTest({
    routes: [{ path: '/api', upstream: urls, websocket: true, ...keys }],
  });
  await testGateway.agent.signIn('/');
  testGateway.stopClock();
  const send = async (method = 'GET', body?: string) =>
    (await testGateway.agent.fetch('/api/one', { method, ...(body !== undefined && { body }) })).status;
  return { ...testGateway, send };
}

const times = <Result>(count: number, action: () => Promise<Result>) =>
  Promise.all(Array.from({ length: count }, () => action()));

describe('several servers of an API', () => {
  it('share the requests, each under its own name', async () => {
    const servers = await Promise.all([startServer(), startServer()]);
    const { send } = await open(servers.map(({ url }) => url));
    expect(await times(10, send)).toEqual(Array.from({ length: 10 }, () => 200));
    for (const { requests, port } of servers) {
      expect(requests).toHaveLength(5);
      expect(requests[0]?.header('host')).toBe(`127.0.0.1:${port}`);
    }
  });

  it.each([
    ['a request', 'GET', undefined],
    ['a request with a body', 'POST', 'small'],
    ['a request with a body that is streamed', 'POST', 'x'.repeat(200_000)],
  ])('lose one without losing %s, and use it again later', async (_what, method, body) => {
    const [one, two] = await Promise.all([startServer(), startServer()]);
    const { send, advance, gateway } = await open([one.url, two.url]);
    await one.stop();
    for (let call = 0; call < 4; call += 1) expect(await send(method, body)).toBe(200);
    expect(two.requests).toHaveLength(4);
    expect(two.requests.at(-1)?.body.length).toBe(body?.length ?? 0);
    expect(gateway.logs()).toContain('cannot connect to an upstream server; using the others');
    await one.start();
    advance(60_000);
    for (let call = 0; call < 4; call += 1) expect(await send(method, body)).toBe(200);
    expect(one.requests.length).toBeGreaterThan(0);
  });

  it('are each tried once before a request is 502', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const { send } = await open([`http://127.0.0.1:${one}`, `http://127.0.0.1:${two}`]);
    expect(await send()).toBe(502);
  });

  it('never get a request that another one may have processed', async () => {
    const servers = await Promise.all([startServer(), startServer()]);
    for (const server of servers) server.respond((request) => void request.socket.destroy());
    const { send } = await open(servers.map(({ url }) => url));
    expect(await send('POST', 'once')).toBe(502);
    expect(servers.flatMap(({ requests }) => requests)).toHaveLength(1);
  });

  it('lose one without losing an upgrade', async () => {
    const [one, two] = await Promise.all([startServer(), startServer()]);
    const { agent } = await open([one.url, two.url]);
    await one.stop();
    for (let call = 0; call < 3; call += 1) {
      const socket = await agent.websocket('/api/live');
      socket.close();
    }
    expect(two.upgrades).toHaveLength(3);
  });
});

describe('several addresses of one name', () => {
  it('are all used, and a dead one is left', async () => {
    const port = await freePort();
    const start = async (address: string) => {
      const server = createServer((_request, response) => response.end(address)).listen(port, address);
      onTestFinished(() => void server.close());
      await once(server, 'listening');
      return server;
    };
    const started = await Promise.all(['127.0.0.1', '127.0.0.2'].map(start));
    const { routes } = parseConfig({
      ...minimal,
      allowInsecureHttp: true,
      routes: [{ path: '/api', upstream: `http://api.test:${port}` }],
    });
    const [route] = createRoutes(routes).all;
    if (route === undefined) throw new Error('there is no route');
    const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    const upstreams = createUpstreams(
      createRotatingLookup((_name, _options, found) => found(null, addresses)),
    );
    onTestFinished(() => upstreams.close());
    const askApi = () => ask(upstreams.of(route, route.servers[0]), { reset: true });
    expect(new Set([await askApi(), await askApi()])).toEqual(new Set(['127.0.0.1', '127.0.0.2']));
    started[0]?.close();
    expect([await askApi(), await askApi(), await askApi()]).toEqual(
      Array.from({ length: 3 }, () => '127.0.0.2'),
    );
  });
});

it('an API whose name does not resolve is an error of the request, not of the process', async () => {
  const { routes } = parseConfig({
    ...minimal,
    allowInsecureHttp: true,
    routes: [{ path: '/api', upstream: 'http://api.invalid:81' }],
  });
  const [route] = createRoutes(routes).all;
  if (route === undefined) throw new Error('there is no route');
  const upstreams = createUpstreams();
  onTestFinished(() => upstreams.close());
  const request = ask(upstreams.of(route, route.servers[0]));
  await expect(request).rejects.toMatchObject({ code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) });
});

describe('TLS to an API', () => {
  const authority = createCertificateAuthority();
  const { cert: certificate, key } = authority.issue();
  const tls = { ca: authority.certificate, certificate, key, serverName: 'api.internal' };

  /** An API that asks for a client certificate, and whose own is for another name than its address. */
  async function startSecure() {
    const names: unknown[] = [];
    const server = createSecureServer(
      { ...authority.issue('api.internal'), ca: authority.certificate, requestCert: true },
      (_request, response) => response.end('ok'),
    );
    server.on('secureConnection', (socket) =>
      names.push([socket.servername, socket.getPeerCertificate().subject?.CN]),
    );
    server.on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
    );
    server.on('tlsClientError', () => {});
    const loopback = await listenOnLoopback(server);
    onTestFinished(() => loopback.stop());
    return { url: `https://127.0.0.1:${loopback.port}`, names };
  }

  it('verifies it by routes[].tls.ca and serverName, and shows the client certificate', async () => {
    const { url, names } = await startSecure();
    const { send, agent } = await open([url], { tls });
    expect(await send()).toBe(200);
    await expect(agent.websocket('/api/live')).rejects.toThrow('403');
    expect(names).toEqual([
      ['api.internal', 'client'],
      ['api.internal', 'client'],
    ]);
  });

  it.each<[string, object]>([
    ['the authorities of Node.js', { ...tls, ca: undefined }],
    ['another authority', { ...tls, ca: createCertificateAuthority().certificate }],
    ['the name in its URL', { ...tls, serverName: undefined }],
    ['another name', { ...tls, serverName: 'other.internal' }],
  ])('rejects it by %s', async (_what, others) => {
    const { url } = await startSecure();
    const { send, agent } = await open([url], { tls: others });
    expect(await send()).toBe(502);
    await expect(agent.websocket('/api/live')).rejects.toThrow('502');
  });
});
