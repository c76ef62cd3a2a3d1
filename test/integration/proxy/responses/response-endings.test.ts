import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway } from '../../../../testkit/gateway/gateway.ts';
import { SESSION_SECRET } from '../../../../testkit/gateway/gateway-config.ts';
import { type RawConnection, openRaw } from '../../../../testkit/network/raw-client.ts';
import { type RedisServer, startRedis } from '../../../../testkit/redis/redis-server.ts';
import { echo } from '../../../../testkit/upstream/behaviours.ts';
import { controlledStream, largeBody } from '../../../../testkit/upstream/streams.ts';
import { createUserAgent } from '../../../../testkit/user-agent/user-agent.ts';
import { type Fixture, type FixtureOptions, openFixture } from '../fixture.ts';

/** Longer than a response stays open before it is bound to its session, in milliseconds. */
const LASTING_MS = 2_500;
const GIGABYTE = 1024 * 1024 * 1024;

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

/** The cleanup of a test. The tests in this file wait for long, so they run concurrently. */
type Cleanup = (close: () => void | Promise<void>) => void;

async function openOwnFixture(cleanup: Cleanup, options: FixtureOptions = {}): Promise<Fixture> {
  const fixture = await openFixture(options);
  cleanup(() => fixture.close());
  return fixture;
}

async function connect(cleanup: Cleanup, { gateway }: Fixture, port = gateway.port): Promise<RawConnection> {
  const connection = await openRaw(port);
  cleanup(() => connection.close());
  return connection;
}

/** An event stream that is open: the browser's side, and the upstream's. */
type Stream = { connection: RawConnection; upstream: ServerResponse };
type StreamOptions = { path?: string; ticket?: string; port?: number };

async function openStream(cleanup: Cleanup, fixture: Fixture, options: StreamOptions = {}): Promise<Stream> {
  const { path = '/api/events', ticket = fixture.ticket, port } = options;
  const stream = controlledStream();
  fixture.upstream.respond(stream.behaviour);
  const connection = await connect(cleanup, fixture, port);
  connection.write(fixture.head(`GET ${path} HTTP/1.1`).replace(fixture.ticket, ticket));
  const upstream = await stream.opened;
  fixture.upstream.respond(echo);
  await goesOn({ connection, upstream });
  return { connection, upstream };
}

/** Fails unless the stream runs from end to end. */
async function goesOn({ connection, upstream }: Stream): Promise<void> {
  upstream.write('data: still here\n\n');
  await connection.readUntil('data: still here\n\n');
}

async function signOut({ agent }: Fixture): Promise<void> {
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
}

const inMemory = (limits: Record<string, string>) => ({
  config: { session: { store: 'memory:', secrets: [SESSION_SECRET], ...limits } },
});

describe.concurrent('an event stream', () => {
  it('is cut on both sides when its session ends by logout (standards: D19)', async ({ onTestFinished }) => {
    const fixture = await openOwnFixture(onTestFinished);
    const streams = [await openStream(onTestFinished, fixture), await openStream(onTestFinished, fixture)];
    const upstreamEnds = streams.map(({ upstream }) => once(upstream, 'close'));
    await sleep(LASTING_MS);
    await signOut(fixture);
    for (const { connection } of streams) {
      await connection.ended;
      // In the middle of its body, so that the response is recognizably incomplete.
      expect(connection.pending().toString()).not.toContain('0\r\n\r\n');
    }
    await Promise.all(upstreamEnds);
  });

  it('is cut even when its session ends shortly after the stream began (standards: D19)', async ({
    onTestFinished,
  }) => {
    const fixture = await openOwnFixture(onTestFinished);
    const stream = await openStream(onTestFinished, fixture);
    await signOut(fixture);
    await stream.connection.ended;
  });

  it('is cut when its session ends on another replica (standards: D19)', async ({ onTestFinished }) => {
    const fixture = await openOwnFixture(onTestFinished, { store: redis.url });
    const { provider, upstream, gateway } = fixture;
    const second = await startGateway({ provider, upstream, store: redis.url, baseUrl: gateway.url });
    onTestFinished(() => second.close());
    const here = await openStream(onTestFinished, fixture);
    const there = await openStream(onTestFinished, fixture, { port: second.port });
    await sleep(LASTING_MS);
    await signOut(fixture);
    await Promise.all([here.connection.ended, there.connection.ended]);
  });

  it('is cut when its session reaches the idle limit but not while calls keep the session alive (standards: D19, E7)', async ({
    onTestFinished,
  }) => {
    const fixture = await openOwnFixture(onTestFinished, inMemory({ idleTimeout: '3s' }));
    const stream = await openStream(onTestFinished, fixture);
    for (const untilMs = Date.now() + LASTING_MS + 2_000; Date.now() < untilMs; await sleep(100))
      expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    await goesOn(stream);
    await stream.connection.ended;
  });

  it('is cut when its session reaches the absolute limit (standards: D19, E8)', async ({
    onTestFinished,
  }) => {
    const limits = { idleTimeout: '3s', absoluteTimeout: '3s' };
    const fixture = await openOwnFixture(onTestFinished, inMemory(limits));
    const stream = await openStream(onTestFinished, fixture);
    await stream.connection.ended;
    expect((await fixture.agent.fetch('/api/one')).status).toBe(401);
  });

  it('of another session or without a session continues (standards: D19)', async ({ onTestFinished }) => {
    const fixture = await openOwnFixture(onTestFinished);
    const other = createUserAgent(fixture.gateway.url);
    onTestFinished(() => other.close());
    await other.signIn('/', { loginHint: 'bob' });
    const ticket = `coatcheck=${other.cookies.get('coatcheck')?.value}`;
    const mine = await openStream(onTestFinished, fixture);
    const theirs = await openStream(onTestFinished, fixture, { ticket });
    const nobodys = await openStream(onTestFinished, fixture, { path: '/public/events' });
    await sleep(LASTING_MS);
    await signOut(fixture);
    await mine.connection.ended;
    for (const stream of [theirs, nobodys]) await goesOn(stream);
  });
});

describe.concurrent('a response', () => {
  it('of a long download is cut and its upstream call cancelled when its session ends (standards: D19)', async ({
    onTestFinished,
  }) => {
    const fixture = await openOwnFixture(onTestFinished);
    const large = largeBody(GIGABYTE);
    fixture.upstream.respond(large.behaviour);
    const connection = await connect(onTestFinished, fixture);
    connection.socket.pause();
    connection.write(fixture.head('GET /api/large HTTP/1.1'));
    await sleep(LASTING_MS);
    fixture.upstream.respond(echo);
    await signOut(fixture);
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
    const fixture = await openOwnFixture(onTestFinished);
    const asked = Promise.withResolvers<ServerResponse>();
    fixture.upstream.respond((_request, response) => asked.resolve(response));
    const connection = await connect(onTestFinished, fixture);
    connection.write(fixture.head('GET /api/slow HTTP/1.1'));
    const upstreamEnds = once(await asked.promise, 'close');
    await sleep(LASTING_MS);
    fixture.upstream.respond(echo);
    await signOut(fixture);
    await connection.ended;
    expect(connection.pending()).toHaveLength(0);
    await upstreamEnds;
  });
});
