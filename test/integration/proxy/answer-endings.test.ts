import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway } from '../../../testkit/gateway.ts';
import { SESSION_SECRET } from '../../../testkit/gateway-config.ts';
import { type RawConnection, openRaw } from '../../../testkit/raw-client.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis-server.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream, largeBody } from '../../../testkit/upstream/streams.ts';
import { createUserAgent } from '../../../testkit/user-agent.ts';
import { type Stage, type StageOptions, openStage } from './fixture.ts';

/** Longer than an answer may be open without being followed, in milliseconds. */
const LASTING_MS = 2_500;
const GIGABYTE = 1024 * 1024 * 1024;

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

/** What a test ends with, whether it succeeds or not. The tests here wait much, and so they wait together. */
type Cleanup = (close: () => void | Promise<void>) => void;

async function openOwnStage(cleanup: Cleanup, options: StageOptions = {}): Promise<Stage> {
  const stage = await openStage(options);
  cleanup(() => stage.close());
  return stage;
}

async function connect(cleanup: Cleanup, { gateway }: Stage, port = gateway.port): Promise<RawConnection> {
  const connection = await openRaw(port);
  cleanup(() => connection.close());
  return connection;
}

/** An event stream that is open: the browser's side, and the upstream's. */
type Stream = { connection: RawConnection; upstream: ServerResponse };
type StreamOptions = { path?: string; ticket?: string; port?: number };

async function openStream(cleanup: Cleanup, stage: Stage, options: StreamOptions = {}): Promise<Stream> {
  const { path = '/api/events', ticket = stage.ticket, port } = options;
  const stream = controlledStream();
  stage.upstream.respond(stream.behaviour);
  const connection = await connect(cleanup, stage, port);
  connection.write(stage.head(`GET ${path} HTTP/1.1`).replace(stage.ticket, ticket));
  const upstream = await stream.opened;
  stage.upstream.respond(echo);
  await goesOn({ connection, upstream });
  return { connection, upstream };
}

/** Fails unless the stream runs from end to end. */
async function goesOn({ connection, upstream }: Stream): Promise<void> {
  upstream.write('data: still here\n\n');
  await connection.readUntil('data: still here\n\n');
}

async function signOut({ agent }: Stage): Promise<void> {
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
}

const inMemory = (limits: Record<string, string>) => ({
  config: { session: { store: 'memory:', secrets: [SESSION_SECRET], ...limits } },
});

describe.concurrent('an event stream', () => {
  it('is cut on both sides when its session ends by logout (standards: D19)', async ({ onTestFinished }) => {
    const stage = await openOwnStage(onTestFinished);
    const streams = [await openStream(onTestFinished, stage), await openStream(onTestFinished, stage)];
    const upstreamEnds = streams.map(({ upstream }) => once(upstream, 'close'));
    await sleep(LASTING_MS);
    await signOut(stage);
    for (const { connection } of streams) {
      await connection.ended;
      // In the middle of its body: nobody takes it for whole.
      expect(connection.pending().toString()).not.toContain('0\r\n\r\n');
    }
    await Promise.all(upstreamEnds);
  });

  it('is cut even when its session ends shortly after the stream began (standards: D19)', async ({
    onTestFinished,
  }) => {
    const stage = await openOwnStage(onTestFinished);
    const stream = await openStream(onTestFinished, stage);
    await signOut(stage);
    await stream.connection.ended;
  });

  it('is cut when its session ends on another replica (standards: D19)', async ({ onTestFinished }) => {
    const stage = await openOwnStage(onTestFinished, { store: redis.url });
    const { provider, upstream, gateway } = stage;
    const second = await startGateway({ provider, upstream, store: redis.url, baseUrl: gateway.url });
    onTestFinished(() => second.close());
    const here = await openStream(onTestFinished, stage);
    const there = await openStream(onTestFinished, stage, { port: second.port });
    await sleep(LASTING_MS);
    await signOut(stage);
    await Promise.all([here.connection.ended, there.connection.ended]);
  });

  it('is cut when its session reaches the idle limit but not while calls keep the session alive (standards: D19, E7)', async ({
    onTestFinished,
  }) => {
    const stage = await openOwnStage(onTestFinished, inMemory({ idleTimeout: '1s' }));
    const stream = await openStream(onTestFinished, stage);
    for (const untilMs = Date.now() + LASTING_MS + 1_000; Date.now() < untilMs; await sleep(100))
      expect((await stage.agent.fetch('/api/one')).status).toBe(200);
    await goesOn(stream);
    await stream.connection.ended;
  });

  it('is cut when its session reaches the absolute limit (standards: D19, E8)', async ({
    onTestFinished,
  }) => {
    const limits = { idleTimeout: '3s', absoluteTimeout: '3s' };
    const stage = await openOwnStage(onTestFinished, inMemory(limits));
    const stream = await openStream(onTestFinished, stage);
    await stream.connection.ended;
    expect((await stage.agent.fetch('/api/one')).status).toBe(401);
  });

  it('of another session or without a session continues (standards: D19)', async ({ onTestFinished }) => {
    const stage = await openOwnStage(onTestFinished);
    const other = createUserAgent(stage.gateway.url);
    onTestFinished(() => other.close());
    await other.signIn('/', { loginHint: 'bob' });
    const ticket = `coatcheck=${other.cookies.get('coatcheck')?.value}`;
    const mine = await openStream(onTestFinished, stage);
    const theirs = await openStream(onTestFinished, stage, { ticket });
    const nobodys = await openStream(onTestFinished, stage, { path: '/public/events' });
    await sleep(LASTING_MS);
    await signOut(stage);
    await mine.connection.ended;
    for (const stream of [theirs, nobodys]) await goesOn(stream);
  });
});

describe.concurrent('a response', () => {
  it('of a long download is cut and its upstream call cancelled when its session ends (standards: D19)', async ({
    onTestFinished,
  }) => {
    const stage = await openOwnStage(onTestFinished);
    const large = largeBody(GIGABYTE);
    stage.upstream.respond(large.behaviour);
    const connection = await connect(onTestFinished, stage);
    connection.socket.pause();
    connection.write(stage.head('GET /api/large HTTP/1.1'));
    await sleep(LASTING_MS);
    stage.upstream.respond(echo);
    await signOut(stage);
    connection.socket.removeAllListeners('data').on('data', () => undefined);
    connection.socket.resume();
    await connection.ended;
    const written = large.writtenBytes();
    await sleep(200);
    expect(large.writtenBytes()).toBe(written);
    expect(written).toBeLessThan(GIGABYTE);
  });

  it('that has not begun is cut and its upstream call cancelled when its session ends (standards: D19)', async ({
    onTestFinished,
  }) => {
    const stage = await openOwnStage(onTestFinished);
    const asked = Promise.withResolvers<ServerResponse>();
    stage.upstream.respond((_request, response) => asked.resolve(response));
    const connection = await connect(onTestFinished, stage);
    connection.write(stage.head('GET /api/slow HTTP/1.1'));
    const upstreamEnds = once(await asked.promise, 'close');
    await sleep(LASTING_MS);
    stage.upstream.respond(echo);
    await signOut(stage);
    await connection.ended;
    expect(connection.pending()).toHaveLength(0);
    await upstreamEnds;
  });
});
