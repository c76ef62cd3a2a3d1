import express from 'express';
import { createServer, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { createApps, type Pipeline } from '../../../src/app.ts';
import { GatewayError } from '../../../src/errors.ts';
import { createConnectionStates, createGuard } from '../../../src/http/inbound/guard.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { collectLog } from '../../unit/log-lines.ts';

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** A pipeline whose API serves every path, and the log of it. */
function openPipeline(steps: Partial<Pipeline> = {}) {
  const { log, lines } = collectLog();
  const statuses: number[] = [];
  const app = createApps().create({
    guard: createGuard({
      hostCheck: () => undefined,
      clientAddress: () => '203.0.113.9',
      connectionStates: createConnectionStates(),
      clock: Date.now,
    }),
    accessLog: (_method, status) => void statuses.push(status),
    traced: (step) => step,
    authPrefix: '/auth',
    auth: (_request, response) => void response.send('auth'),
    api: async (_request, response) => void response.end('api'),
    spa: (_request, response) => void response.json(response.locals),
    respondWithProblem: (_error, _request, response) => void response.writeHead(500).end('problem'),
    log,
    metrics: createMetrics(),
    ...steps,
  });
  return { app, lines, statuses };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { port } = await listenOnLoopback(server);
  closers.push(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${port}`;
}

it("serves the gateway's own endpoints before an API of every path, at segment boundaries", async () => {
  const url = await serve(openPipeline().app);
  const bodyOf = async (path: string) => (await fetch(url + path)).text();
  expect(await Promise.all(['/auth', '/auth/x', '/auth?x', '/authx', '/Auth', '/'].map(bodyOf))).toEqual([
    'auth',
    'auth',
    'auth',
    'api',
    'api',
    'api',
  ]);
});

it.each([
  [
    'throws',
    () => {
      throw new Error('canary');
    },
  ],
  ['rejects', () => Promise.reject(new Error('canary'))],
])('responds with a problem and logs the status when an API %s', async (_how, api) => {
  const { app, statuses } = openPipeline({ api });
  const response = await fetch(await serve(app));
  expect([response.status, await response.text()]).toEqual([500, 'problem']);
  await expect.poll(() => statuses).toEqual([500]);
});

it('closes the connection of a request whose problem cannot be sent, and serves the next request', async () => {
  const failed = Promise.reject(new Error('canary'));
  failed.catch(() => undefined);
  const { app, lines, statuses } = openPipeline({
    api: ({ url }, response) => (url === '/bad' ? failed : Promise.resolve(void response.end('api'))),
    respondWithProblem() {
      throw new TypeError('no problem');
    },
  });
  const url = await serve(app);
  await expect(fetch(`${url}/bad`)).rejects.toThrow('fetch failed');
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    { level: 'error', msg: 'cannot respond to a failed request', err: { message: 'no problem' } },
  ]);
  expect(await (await fetch(url)).text()).toBe('api');
  await expect.poll(() => statuses).toEqual([499, 200]);
});

it('keeps what an Express host has put in the locals of a response', async () => {
  const { app } = openPipeline({ api: () => undefined });
  const host = express();
  host.use((_request, response, next) => {
    response.locals['person'] = 'anna';
    next();
  });
  host.use(app);
  const locals: unknown = await (await fetch(await serve(host))).json();
  expect(locals).toMatchObject({ person: 'anna', context: { clientAddress: '203.0.113.9' } });
});

it('passes a rejection of the guard to the problem response, and no further', async () => {
  const seen: unknown[] = [];
  const { app } = openPipeline({
    guard: createGuard({
      hostCheck() {
        throw new GatewayError('bad_request');
      },
      clientAddress: () => '203.0.113.9',
      connectionStates: createConnectionStates(),
      clock: Date.now,
    }),
    api: (request) => void seen.push(request),
    respondWithProblem(error, _request, response, { route }) {
      seen.push({ error, route });
      response.writeHead(400).end();
    },
  });
  expect((await fetch(await serve(app))).status).toBe(400);
  expect(seen).toMatchObject([{ error: { code: 'bad_request' }, route: 'none' }]);
});

it('does not start a pipelined request before the body of the one before it has arrived', async () => {
  const seen: string[] = [];
  const { app } = openPipeline({
    async api(request, response) {
      if (request.method === 'POST') await text(request);
      seen.push(request.method ?? '');
      response.end();
    },
  });
  const connection = connect(Number(new URL(await serve(app)).port), '127.0.0.1');
  connection.end(
    'POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbodyGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  await text(connection);
  expect(seen).toEqual(['POST', 'GET']);
});
