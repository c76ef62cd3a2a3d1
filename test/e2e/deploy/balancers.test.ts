import { setTimeout as sleep } from 'node:timers/promises';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { Agent, type RequestOptions, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import type { ChildProcess } from '../../../testkit/processes/child-process.ts';
import { type Program, startProgram } from '../../../testkit/processes/program.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';
import { until } from '../../../testkit/until.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { balancers, type Ports, writeCertificate } from './balancer-programs.ts';

const HOST = 'app.example.com';
const BASE_URL = `https://${HOST}`;
/** How many requests are under way while the replicas restart. */
const CLIENTS = 8;
/** The addresses of the replicas. */
const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;

let folder: string;
let ports: Ports;
let provider: FakeProvider;
let upstream: Upstream;
let redis: RedisServer;
let programs: [Program, Program];
let balancer: ChildProcess;
let agent: Agent;
let cookie: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-balancer-'));
  await writeCertificate(folder);
  [provider, upstream, redis] = await Promise.all([startFakeProvider(), startUpstream(), startRedis()]);
  ports = {
    https: await freePort(),
    http: await freePort(),
    replica: await freePort(),
    admin: await freePort(),
  };
  // The balancer's certificate is for another name.
  agent = new Agent({ keepAlive: true, rejectUnauthorized: false, servername: HOST });
});

afterAll(async () => {
  agent.destroy();
  await Promise.all([provider.close(), upstream.close(), redis.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** More than two intervals of the health checks in the samples, in milliseconds. */
const HEALTH_CHECKS_MS = 2_500;

describe.each(balancers)('behind $name, as deploy/ configures it,', ({ name, start, shutdownDelay }) => {
  // Without health checks, a balancer may send a request on a connection that the system has accepted and the stopping process
  // has not. It repeats the request only if that is safe. Caddy 2.6 also responds 503 at once to a request other than GET while
  // it knows no healthy replica, which a late health check can bring about on a busy machine.
  const methods = name === 'HAProxy' ? ['GET', 'POST'] : ['GET'];
  const startReplica = (address: string): Promise<Program> => {
    const config = {
      admin: { listen: `${address}:${ports.admin}` },
      trustProxy: ['127.0.0.1'],
      shutdownDelay,
      log: { level: 'info' },
    };
    const parts = { provider, upstream, store: redis.url, config };
    return startProgram({
      yaml: JSON.stringify(gatewayConfig(parts, BASE_URL, `${address}:${ports.replica}`)),
    });
  };

  beforeAll(async () => {
    upstream.respond(requireToken(provider.isAccessTokenActive));
    programs = await Promise.all([startReplica(ADDRESSES[0]), startReplica(ADDRESSES[1])]);
    cookie = await signIn(programs[0]);
    balancer = await start(folder, ports);
    await until('the balancer passes a request on', async () =>
      (await statusOf('GET', '/api/up')) === 200 ? true : undefined,
    );
  });

  afterAll(async () => {
    await balancer.terminate(0);
    await Promise.all(programs.map((program) => program.close()));
  });

  it(`no ${methods.join(' or ')} fails while both replicas restart, one after the other`, async () => {
    const failures: string[] = [];
    let count = 0;
    let isOver = false;
    const client = async (index: number) => {
      while (!isOver) {
        const method = methods[(index + count) % methods.length] ?? 'GET';
        const status = await statusOf(method, `/api/${index}`).catch((error: unknown) => String(error));
        count += 1;
        if (status !== 200) failures.push(`${method}: ${status}`);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
    try {
      for (const index of [0, 1] as const) {
        const before = count;
        await expect.poll(() => count).toBeGreaterThan(before + 50);
        programs[index].signal('SIGTERM');
        expect(await programs[index].exit).toMatchObject({ code: 0 });
        programs[index] = await startReplica(ADDRESSES[index]);
        // The next replica stops when this one serves again and the balancer has checked it since, as after the readiness delay
        // of a rolling update: a late health check may have seen the stopped process.
        await expect.poll(() => served(programs[index])).toBe(true);
        await sleep(HEALTH_CHECKS_MS);
      }
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    expect(failures).toEqual([]);
  });

  it('a WebSocket opens and carries messages both ways', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${ports.https}/socket/live`, [], {
      headers: { host: HOST, origin: BASE_URL, cookie },
      agent,
    });
    await once(socket, 'open');
    socket.send('hello');
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message.toString()).toBe('hello');
    socket.close();
    await once(socket, 'close');
  });

  it('an event arrives while its stream is still open', async () => {
    const stream = controlledStream();
    upstream.respond(stream.behaviour);
    const response = await open('GET', '/api/events');
    await stream.write('data: first\n\n');
    const [chunk] = (await once(response, 'data')) as [Buffer];
    expect(chunk.toString()).toContain('data: first');
    await stream.end();
    upstream.respond(requireToken(provider.isAccessTokenActive));
  });

  it('an API never sees an X-Forwarded-For that the client sent', async () => {
    upstream.requests.length = 0;
    const response = await open('GET', '/api/who', { 'x-forwarded-for': '203.0.113.9' });
    expect(response.statusCode).toBe(200);
    await text(response);
    expect(upstream.requests.map((request) => request.header('x-forwarded-for'))).toEqual(['127.0.0.1']);
  });

  it('plain HTTP is redirected to HTTPS with the same path', async () => {
    const outgoing = httpRequest({
      host: '127.0.0.1',
      port: ports.http,
      path: '/deep?a=1',
      headers: { host: HOST },
    });
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(308);
    expect(response.headers.location).toMatch(/^https:\/\/app\.example\.com(:\d+)?\/deep\?a=1$/);
  });
});

/** Signs in at one replica and returns the session cookie. */
async function signIn({ port }: Program): Promise<string> {
  const browser = createUserAgent(BASE_URL, { connect: { host: '127.0.0.1', port } });
  await browser.signIn('/');
  const header = browser.cookies.header(new URL(BASE_URL), { crossSite: false, topLevelGet: true });
  browser.close();
  return header ?? '';
}

function served(program: Program): boolean {
  return program.stdout().includes('"route":"/api"');
}

async function open(method: string, path: string, headers: Record<string, string> = {}) {
  const options: RequestOptions = {
    agent,
    host: '127.0.0.1',
    port: ports.https,
    method,
    path,
    headers: { host: HOST, cookie, origin: BASE_URL, 'sec-fetch-site': 'same-origin', ...headers },
  };
  const outgoing = httpsRequest(options);
  outgoing.end(method === 'POST' ? 'body' : undefined);
  const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
  return response;
}

async function statusOf(method: string, path: string): Promise<number> {
  const response = await open(method, path);
  await text(response);
  return response.statusCode ?? 0;
}
