import { once } from 'node:events';
import { type ServerResponse, createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConnections } from '../../../../src/http/server/connections.ts';
import { createWriteBatch } from '../../../../src/performance/write-batch.ts';
import { createResponseWriter } from '../../../../src/proxy/response/writer.ts';
import { createEventStreams } from '../../../../src/proxy/response/event-streams.ts';
import { type LoopbackServer, listenOnLoopback } from '../../../../testkit/network/loopback-server.ts';
import { type RawConnection, openRaw } from '../../../../testkit/network/raw-client.ts';

const MEGABYTE = 1024 * 1024;
/** More than the buffers of the two sockets hold together. */
const LARGE = 64 * MEGABYTE;
const STALL_MS = 600;

let listener: LoopbackServer;
const opened: ServerResponse[] = [];

beforeAll(async () => {
  const server = createServer((request, response) => {
    opened.push(response);
    if (request.url === '/stream') response.write('begun');
    else if (request.url === '/endless') respondWithoutLimit(response);
    else response.end(Buffer.alloc(request.url === '/large' ? LARGE : MEGABYTE, 'x'));
  });
  createConnections(server, STALL_MS);
  listener = await listenOnLoopback(server);
});
afterAll(() => listener.stop());

/** Responds like a route whose `timeout.idle` is 0s. */
function respondWithoutLimit(response: ServerResponse): void {
  const eventStreams = createEventStreams();
  const policy = { headers: () => [], mayTrail: () => false, idleMs: 0, eventStreams };
  const writer = createResponseWriter(response, policy, 'r1', createWriteBatch());
  writer.begin(200, {});
  writer.write(Buffer.alloc(LARGE, 'x'));
}

/** Sends requests for a path on one connection, of which nothing is read. */
async function ask(path: string, times = 1): Promise<{ client: RawConnection; response: ServerResponse }> {
  const client = await openRaw(listener.port);
  client.socket.pause();
  client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(times));
  await expect.poll(() => opened.length).toBeGreaterThan(0);
  const [response] = opened.splice(0);
  if (response === undefined) throw new Error('no request came');
  return { client, response };
}

it.each([
  ['a large response', '/large', 1],
  ['many small responses', '/small', 60],
])('a client that does not read %s is cut off (standards: F22)', async (_what, path, times) => {
  const { client, response } = await ask(path, times);
  const socket = response.req.socket;
  await once(socket, 'close');
  expect(socket.destroyed).toBe(true);
  client.close();
});

it('a client that reads slowly receives the complete response', async () => {
  const { client, response } = await ask('/large');
  const over = once(response, 'close');
  const drip = setInterval(() => {
    client.socket.resume();
    setTimeout(() => client.socket.pause(), 10);
  }, 100);
  await over;
  clearInterval(drip);
  expect(response.writableFinished).toBe(true);
  client.close();
});

it('an idle stream that the client has read stays open', async () => {
  const { client, response } = await ask('/stream');
  response.write(Buffer.alloc(LARGE, 'x'));
  await sleep(STALL_MS / 2);
  client.socket.resume();
  await expect.poll(() => response.writableLength, { timeout: 20_000 }).toBe(0);
  await sleep(3 * STALL_MS);
  response.write('still here');
  await client.readUntil('still here');
  client.close();
});

it('a client that does not read stays connected on a route without an idle timeout', async () => {
  const { client, response } = await ask('/endless');
  await sleep(3 * STALL_MS);
  expect([response.destroyed, response.writableLength > 0]).toEqual([false, true]);
  client.close();
});
