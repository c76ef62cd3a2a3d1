import { once } from 'node:events';
import { createServer } from 'node:net';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import type { Program } from '../../testkit/processes/program.ts';
import { openRaw } from '../../testkit/network/raw-client.ts';
import { type Behaviour, echo } from '../../testkit/upstream/behaviours.ts';
import { controlledStream, largeBody } from '../../testkit/upstream/streams.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

/** How long to poll, in milliseconds; checking a store that never existed takes two seconds. */
const patiently = { timeout: 60_000 };

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

/** The result of `/readyz`: its status, and the names of the failed checks. */
async function readiness({ adminUrl }: Program): Promise<{ status: number; failing: string[] }> {
  const response = await fetch(`${adminUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: { name: string; ok: boolean }[] };
  return { status: response.status, failing: checks.filter(({ ok }) => !ok).map(({ name }) => name) };
}

/** The log lines, each of which must be a JSON object. */
function logOf(program: Program): Record<string, unknown>[] {
  return program
    .stdout()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Without the probes of the admin listener, which arrive at any time. */
const messages = (program: Program) =>
  logOf(program)
    .map(({ msg }) => msg)
    .filter((msg) => msg !== 'admin request');

/** Makes requests to `/api/slow` wait at the upstream; all others are echoed at once. */
function holdSlowRequests() {
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const behaviour: Behaviour = async (request, response, record) => {
    if (record.target === '/api/slow') {
      arrived.resolve();
      await released.promise;
    }
    await echo(request, response, record);
  };
  fixture.upstream.respond(behaviour);
  return { arrived: arrived.promise, release: released.resolve };
}

/** Requests as a page does, and returns the response once its head has arrived. */
const open = (agent: UserAgent, path: string, method = 'GET') =>
  agent.open(path, { method, headers: { 'x-csrf': '1' } });

/** The outcome of a request that may be cut off before the test awaits it. */
function fateOf(response: Promise<unknown>): Promise<'completed' | 'cut off'> {
  return response.then(
    () => 'completed',
    () => 'cut off',
  );
}

describe('starting', () => {
  it('the gateway starts without the provider and the store, logs this and becomes ready once both are up', async () => {
    await Promise.all([fixture.provider.stop(), fixture.redis.stop()]);
    const program = await fixture.start();
    expect(await readiness(program)).toEqual({ status: 503, failing: ['store', 'provider'] });
    expect((await fetch(`${program.adminUrl}/livez`)).status).toBe(200);
    expect(messages(program)).toEqual(
      expect.arrayContaining(['session store unavailable', 'provider not ready; retrying']),
    );
    const login = await fixture.browser(program).get('/auth/login');
    expect(login).toMatchObject({ status: 503 });
    expect(login.json()).toMatchObject({ code: 'provider_unavailable' });

    await fixture.redis.start();
    await expect.poll(() => readiness(program), patiently).toEqual({ status: 503, failing: ['provider'] });
    await fixture.provider.start();
    await expect.poll(() => readiness(program), patiently).toEqual({ status: 200, failing: [] });
    const agent = await fixture.signedIn(program);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(program.stderr()).toBe('');
  });
});

describe('stopping', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'the gateway completes running requests and background refreshes on %s and accepts no new connections',
    async (signal) => {
      const { provider, upstream } = fixture;
      const slow = holdSlowRequests();
      // Close to expiry after 0.3 s: the next request uses it and refreshes it in the background.
      provider.accessTokenLifetime = 30;
      const program = await fixture.start({ config: { refresh: { ahead: '99%' } } });
      const agent = await fixture.signedIn(program);
      provider.accessTokenLifetime = 300;
      const refresh = provider.faults.hold('token');
      const socket = await agent.websocket('/socket/live');
      await expect
        .poll(async () => {
          expect((await agent.fetch('/api/quick')).status).toBe(200);
          return provider.tokenCalls({ grant: 'refresh_token' });
        }, patiently)
        .toBe(1);
      const response = agent.fetch('/api/slow');
      await slow.arrived;

      program.signal(signal);
      expect(await socket.closed).toMatchObject({ code: 1001 });
      expect(await readiness(program)).toEqual({ status: 503, failing: ['draining'] });
      await expect(openRaw(program.port)).rejects.toThrow('ECONNREFUSED');
      slow.release();
      expect(await response).toMatchObject({ status: 200 });
      expect((await response).header('connection')).toBe('close');
      expect(await Promise.race([program.exit, sleep(1_500, 'running')])).toBe('running');
      refresh.release();
      expect(await program.exit).toEqual({ code: 0, signal: null });
      expect(await fixture.redis.command('KEYS', 'coatcheck:lock:*')).toEqual([]);

      const successor = await fixture.start({ replicaOf: program });
      const elsewhere = fixture.browser(successor, { like: agent });
      expect((await elsewhere.fetch('/api/after')).status).toBe(200);
      expect(upstream.requests.at(-1)?.bearer).toBe(provider.families[0]?.accessTokens[1]?.token);
      expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    },
  );

  it('the gateway does not wait for connections without a request and waits only briefly for unfinished upgrades', async () => {
    const silent = await listenOnLoopback(createServer());
    const upgrade = (path: string, port: number) =>
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: http://127.0.0.1:${port}\r\n` +
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
    const program = await fixture.start({
      config: {
        shutdownTimeout: '15s',
        routes: [
          { path: '/silent', upstream: `http://127.0.0.1:${silent.port}`, auth: 'none', websocket: true },
        ],
      },
    });
    const { port } = program;
    const [spare, halfHead, idle, refused, hanging] = await Promise.all([
      openRaw(port),
      openRaw(port),
      openRaw(port),
      openRaw(port),
      openRaw(port),
    ]);
    halfHead.write('GET /half HTTP/1.1\r\nHost:');
    idle.write(`GET /idle HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    expect(await idle.readResponse()).toMatchObject({ status: 404 });
    refused.write(upgrade('/nowhere', port));
    expect(await refused.readResponse()).toMatchObject({ status: 404 });
    hanging.write(upgrade('/silent', port));
    await expect.poll(() => silent.sockets.size, patiently).toBe(1);

    program.signal('SIGTERM');
    await Promise.all([spare.ended, halfHead.ended, idle.ended]);
    expect(await program.exit).toEqual({ code: 0, signal: null });
    for (const connection of [spare, halfHead, idle, refused, hanging]) connection.close();
    await silent.stop();
  });

  it('the gateway treats two signals at once as one and stops immediately on a later signal', async () => {
    const slow = holdSlowRequests();
    const program = await fixture.start();
    const agent = await fixture.signedIn(program);
    const fate = fateOf(agent.fetch('/api/slow'));
    await slow.arrived;

    // Two signals of the same kind could be merged and would prove nothing.
    program.signal('SIGINT');
    program.signal('SIGTERM');
    await program.waitForOutput((text) => text.includes('"stopping"') || undefined);
    await sleep(500);
    expect(await readiness(program)).toEqual({ status: 503, failing: ['draining'] });
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(await fate).toBe('cut off');
    expect(messages(program).at(-1)).toBe('stopping');
    slow.release();
  });

  it.each([1, 2])(
    'the gateway does not wait for event streams, which the browser reopens elsewhere: %i worker(s)',
    async (workers) => {
      const program = await fixture.start({ config: { workers, shutdownTimeout: '60s' } });
      const agent = await fixture.signedIn(program);
      const early = controlledStream();
      fixture.upstream.respond(early.behaviour);
      const [first, second] = [await open(agent, '/api/events'), await open(agent, '/api/events')];
      const slow = holdSlowRequests();
      const response = agent.fetch('/api/slow');
      await slow.arrived;

      program.signal('SIGTERM');
      await Promise.all([first, second].map(({ body }) => expect(finished(body)).rejects.toThrow('aborted')));
      expect(await Promise.race([program.exit, sleep(500, 'running')])).toBe('running');
      slow.release();
      expect(await response).toMatchObject({ status: 200 });
      expect(await program.exit).toEqual({ code: 0, signal: null });
    },
  );

  it('the gateway ends an event stream that begins after the signal', async () => {
    const program = await fixture.start({ config: { shutdownTimeout: '60s' } });
    const agent = await fixture.signedIn(program);
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const stream = controlledStream();
    fixture.upstream.respond(async (...args) => {
      arrived.resolve();
      await released.promise;
      await stream.behaviour(...args);
    });
    const opened = open(agent, '/api/events');
    await arrived.promise;
    program.signal('SIGTERM');
    await program.waitForOutput((text) => text.includes('"stopping"') || undefined);
    released.resolve();
    const response = await opened;
    expect(response).toMatchObject({ status: 200 });
    await expect(finished(response.body)).rejects.toThrow('aborted');
    expect(await program.exit).toEqual({ code: 0, signal: null });
  });

  it('the gateway cuts off unfinished responses shortly before shutdownTimeout and exits with code 0', async () => {
    const program = await fixture.start({ config: { shutdownTimeout: '5s' } });
    const agent = await fixture.signedIn(program);
    const [endless, posted] = [controlledStream('application/x-ndjson'), controlledStream()];
    fixture.upstream.respond(endless.behaviour);
    const lines = await open(agent, '/api/lines');
    // No browser repeats this request by itself: the response may be the output of a language model, which ends.
    fixture.upstream.respond(posted.behaviour);
    const words = await open(agent, '/api/words', 'POST');
    fixture.upstream.respond(largeBody(1024 ** 3).behaviour);
    const download = await open(agent, '/api/download');
    const bodies = [lines.body, words.body, download.body];

    program.signal('SIGTERM');
    await program.waitForOutput((text) => text.includes('"stopping"') || undefined);
    await posted.write('data: still here\n\n');
    expect(String((await once(words.body.resume(), 'data'))[0])).toContain('still here');
    await Promise.all(bodies.map((body) => expect(finished(body.resume())).rejects.toThrow('aborted')));
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(logOf(program)).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        responses: 3,
        msg: 'shutdownTimeout is almost over; closed the responses still in progress',
      }),
    );
  });

  it('the gateway exits after shutdownTimeout despite an unfinished request and logs this', async () => {
    const slow = holdSlowRequests();
    const program = await fixture.start({ config: { shutdownTimeout: '1s' } });
    const agent = await fixture.signedIn(program);
    const fate = fateOf(agent.fetch('/api/slow'));
    await slow.arrived;
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(await fate).toBe('cut off');
    expect(logOf(program).at(-1)).toMatchObject({
      level: 'error',
      shutdownTimeoutMs: 1000,
      msg: 'shutdown timed out; exiting with work in flight',
    });
    slow.release();
  });
});

describe('an uncaught exception', () => {
  it.each([
    [
      'a thrown error',
      'throw Object.assign(new Error("gone wrong"), { command: { args: [process.env.CANARY] } })',
      'gone wrong',
    ],
    [
      'a rejection with a value that is not an Error',
      'Promise.reject(process.env.CANARY)',
      'a value other than an Error was thrown',
    ],
  ])('ends the program with a log line that shows no secret value: %s', async (_what, code, message) => {
    const module = encodeURIComponent(`process.once('SIGUSR2', () => { ${code} });`);
    const program = await fixture.start({
      env: { NODE_OPTIONS: `--import=data:text/javascript,${module}`, CANARY: 'canary-value' },
    });
    program.signal('SIGUSR2');
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(logOf(program).at(-1)).toMatchObject({
      level: 'fatal',
      err: { message },
      msg: 'uncaught exception',
    });
    expect(program.stdout() + program.stderr()).not.toContain('canary-value');
  });
});
