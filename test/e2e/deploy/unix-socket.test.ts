import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import type { ChildProcess } from '../../../testkit/processes/child-process.ts';
import { type Program, startProgram } from '../../../testkit/processes/program.ts';
import { until } from '../../../testkit/until.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { startNginxBeforeSocket, writeCertificate } from './balancer-programs.ts';

const HOST = 'app.example.com';

let fixture: Fixture;
let program: Program;
let nginx: ChildProcess;
let ports: { https: number; http: number };

beforeAll(async () => {
  fixture = await openFixture();
  const { provider, upstream, redis, folder } = fixture;
  upstream.respond(echo);
  await writeCertificate(folder);
  // nginx drops its rights when it is started as root: its workers must find the socket.
  await chmod(folder, 0o755);
  ports = { https: await freePort(), http: await freePort() };
  const socketPath = join(folder, 'coatcheck.sock');
  const parts = { provider, upstream, store: redis.url, config: { trustProxy: ['unix'] } };
  program = await startProgram({
    yaml: JSON.stringify(gatewayConfig(parts, `https://${HOST}`, `unix:${socketPath}?mode=0666`)),
  });
  nginx = await startNginxBeforeSocket(folder, ports, socketPath);
  await until('nginx passes a request on', async () => {
    const response = await open('/public/up').catch(() => undefined);
    return response?.statusCode === 200 ? true : undefined;
  });
});

afterAll(async () => {
  await nginx.terminate(0);
  await program.close();
  await fixture.close();
});

async function open(path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const outgoing = request({
    host: '127.0.0.1',
    port: ports.https,
    // The certificate is for another name.
    rejectUnauthorized: false,
    servername: HOST,
    path,
    headers: { host: HOST, ...headers },
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  return response;
}

it('nginx reaches a gateway by its Unix socket, which learns the address of the client and its own host', async () => {
  const { upstream } = fixture;
  upstream.requests.length = 0;
  const response = await open('/public/x', { 'x-forwarded-for': '203.0.113.9' });
  expect(response.statusCode).toBe(200);
  expect(upstream.requests.map((seen) => seen.header('x-forwarded-for'))).toEqual(['127.0.0.1']);
  const login = await open('/auth/login', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' });
  expect(login.headers.location).toContain(encodeURIComponent(`https://${HOST}/auth/callback`));
});
