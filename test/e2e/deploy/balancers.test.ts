import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { Agent, type RequestOptions, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import type { ChildProcess } from '../../../testkit/processes/child-process.ts';
import { type Program, startProgram } from '../../../testkit/processes/program.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { balancers, type Ports, type Replica, writeCertificate } from './balancer-programs.ts';

const HOST = 'app.example.com';
const BASE_URL = `https://${HOST}`;
/** How many requests are under way while the replicas restart. */
const CLIENTS = 8;

let folder: string;
let ports: Ports;
let provider: FakeProvider;
let upstream: Upstream;
let redis: RedisServer;
let programs: [Program, Program];
let balancer: ChildProcess | undefined;
let agent: Agent;
let cookie: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-balancer-'));
  await writeCertificate(folder);
  [provider, upstream, redis] = await Promise.all([startFakeProvider(), startUpstream(), startRedis()]);
  upstream.respond(requireToken(provider.isAccessTokenActive));
  const replica = async (): Promise<Replica> => ({ port: await freePort(), adminPort: await freePort() });
  ports = { https: await freePort(), http: await freePort(), replicas: [await replica(), await replica()] };
  programs = await Promise.all([startReplica(ports.replicas[0]), startReplica(ports.replicas[1])]);
  // The balancer's certificate is for another name.
  agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  cookie = await signIn(programs[0]);
});

afterEach(async () => {
  agent.destroy();
  await balancer?.terminate(0);
  balancer = undefined;
  await Promise.all(programs.map((program) => program.close()));
  await Promise.all([provider.close(), upstream.close(), redis.close()]);
  await rm(folder, { recursive: true, force: true });
});

describe.each(balancers)('behind $name, as deploy/ configures it,', ({ start }) => {
  beforeEach(async () => {
    balancer = await start(folder, ports);
    await expect.poll(() => statusOf('GET', '/api/up').catch(String), { timeout: 20_000 }).toBe(200);
    upstream.requests.length = 0;
  });

  it('no request fails while both replicas restart, one after the other', async () => {
    const failures: string[] = [];
    let count = 0;
    let isOver = false;
    const client = async (index: number) => {
      while (!isOver) {
        const method = (index + count) % 3 === 0 ? 'POST' : 'GET';
        const status = await statusOf(method, `/api/${index}`).catch((error: unknown) => String(error));
        count += 1;
        if (status !== 200) failures.push(`${method}: ${status}`);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
    try {
      for (const index of [0, 1] as const) {
        const before = count;
        await expect.poll(() => count, { timeout: 20_000 }).toBeGreaterThan(before + 50);
        programs[index].signal('SIGTERM');
        expect(await programs[index].exit).toMatchObject({ code: 0 });
        const replica = ports.replicas[index];
        programs[index] = await startReplica(replica);
        // The next replica stops when this one has served a request again, as after a rolling update's readiness delay.
        await expect.poll(() => served(programs[index]), { timeout: 20_000 }).toBe(true);
      }
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    expect(failures).toEqual([]);
  });

  it('a WebSocket opens and carries messages both ways', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${ports.https}/socket/live`, {
      headers: { host: HOST, origin: BASE_URL, cookie },
      servername: HOST,
      rejectUnauthorized: false,
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
  });

  it('an API never sees an X-Forwarded-For that the client sent', async () => {
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

function startReplica({ port, adminPort }: Replica): Promise<Program> {
  const config = {
    admin: { listen: `127.0.0.1:${adminPort}` },
    trustProxy: ['127.0.0.1'],
    log: { level: 'info' },
  };
  const parts = { provider, upstream, store: redis.url, config };
  return startProgram({ yaml: JSON.stringify(gatewayConfig(parts, BASE_URL, `127.0.0.1:${port}`)) });
}

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
    servername: HOST,
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
