import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';

const dockerfile = readFileSync(join(import.meta.dirname, '../../../Dockerfile'), 'utf8');
const [, array = '[]'] = /HEALTHCHECK[^\n]*\\\n\s+CMD (\[.*\])/.exec(dockerfile) ?? [];
const [command = '', ...args] = JSON.parse(array) as string[];

let server: Server | undefined;
afterEach(() => server?.close());

/** Runs the health check of the image; true if it exits with 0. */
const isHealthy = (adminListen: string) =>
  new Promise<boolean>((resolve) => {
    execFile(command, args, { env: { ...process.env, ADMIN_LISTEN: adminListen } }, (error) =>
      resolve(error === null),
    );
  });

it('the health check of the image asks /livez of the admin listener and needs a 200', async () => {
  const requests: string[] = [];
  let status = 200;
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.writeHead(status).end('ok');
  });
  const { port } = await listenOnLoopback(server);
  expect(await isHealthy(`127.0.0.1:${port}`)).toBe(true);
  expect(await isHealthy(`0.0.0.0:${port}`)).toBe(true);
  expect(requests).toEqual(['GET /livez localhost', 'GET /livez localhost']);
  status = 503;
  expect(await isHealthy(`127.0.0.1:${port}`)).toBe(false);
});

it('the health check of the image fails without an admin listener', async () => {
  const closed = createServer();
  const { port } = await listenOnLoopback(closed);
  await new Promise((resolve) => closed.close(resolve));
  expect(await isHealthy(`127.0.0.1:${port}`)).toBe(false);
});
