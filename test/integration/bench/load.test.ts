import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LoadShape } from '../../../bench/workers/load.ts';
import { type Worker, startWorker } from '../../../bench/worker.ts';
import { startRawUpstream } from '../../../testkit/network/raw-upstream.ts';

const EXPECTED = 'as expected';
const response = (body: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

let load: Worker<LoadShape>;

beforeAll(async () => {
  load = await startWorker<LoadShape>('workers/load.ts');
});

afterAll(() => load.close());

/** Loads a server that sends the given responses one after the other. */
async function loadServer(commands: readonly ((socket: Socket) => void)[]) {
  const remaining = [...commands];
  const server = await startRawUpstream((socket) => {
    socket.on('data', () => remaining.shift()?.(socket));
  });
  try {
    return await load.ask('run', {
      port: server.port,
      connections: 1,
      requests: ['GET / HTTP/1.1\r\n\r\n'],
      expected: EXPECTED,
      count: commands.length,
    });
  } finally {
    await server.close();
  }
}

it('the load generator counts the expected response however it is split into packets', async () => {
  const whole = response(EXPECTED);
  const report = await loadServer([
    (socket) => socket.write(whole),
    (socket) => {
      socket.write(whole.slice(0, 20));
      setTimeout(() => socket.write(whole.slice(20, -3)), 10);
      setTimeout(() => socket.write(whole.slice(-3)), 20);
    },
  ]);
  expect(report).toMatchObject({ succeeded: 2, errors: {} });
});

it('the load generator counts every other response as an error by kind and continues', async () => {
  const report = await loadServer([
    (socket) => socket.write(response('not found', '404 Not Found')),
    (socket) => socket.write(response('unexpected!')),
    (socket) => socket.end(response(EXPECTED).slice(0, -1)),
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    (socket) => socket.write(response(EXPECTED) + response(EXPECTED)),
    (socket) => socket.write(response(EXPECTED)),
  ]);
  expect(report.succeeded).toBe(1);
  expect(report.errors).toEqual({
    'status 404': 1,
    'a different body': 1,
    'cut off': 1,
    ECONNRESET: 1,
    'no Content-Length': 1,
    'more than one response': 1,
  });
});
