import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { type Program, runProgram, startProgram, workersOf } from '../../../testkit/processes/program.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';

const HOST = 'app.example.test';
const BASE_URL = `https://${HOST}`;
const PATIENCE = { timeout: 60_000 };

let fixture: Fixture;
let path: string;
let adminPath: string;
const programs: Program[] = [];

beforeEach(async () => {
  fixture = await openFixture();
  fixture.upstream.respond(echo);
  path = join(fixture.folder, 'gateway.sock');
  adminPath = join(fixture.folder, 'admin.sock');
});

afterEach(async () => {
  for (const program of programs.splice(0)) await program.close();
  await fixture.close();
});

/** The configuration of a gateway on two sockets. */
function yamlWith(config: Record<string, unknown> = {}, mode = ''): string {
  const { provider, upstream, redis } = fixture;
  const keys = { admin: { listen: `unix:${adminPath}` }, trustProxy: ['unix'], ...config };
  return JSON.stringify(
    gatewayConfig({ provider, upstream, store: redis.url, config: keys }, BASE_URL, `unix:${path}${mode}`),
  );
}

async function start(...args: Parameters<typeof yamlWith>): Promise<Program> {
  const program = await startProgram({ yaml: yamlWith(...args) });
  programs.push(program);
  return program;
}

async function get(socketPath: string, target: string, headers: Record<string, string> = {}) {
  const outgoing = request({ socketPath, path: target, headers: { host: HOST, ...headers } });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

async function statusOf(socketPath: string, target: string): Promise<number | undefined> {
  const response = await get(socketPath, target).catch(() => undefined);
  response?.resume();
  return response?.statusCode;
}

/** The client's address as the API gets it. */
async function forwardedFor(...forwarded: string[]): Promise<string | undefined> {
  const { upstream } = fixture;
  upstream.requests.length = 0;
  const response = await get(
    path,
    '/public/x',
    Object.fromEntries(forwarded.map((value) => ['x-forwarded-for', value])),
  );
  response.resume();
  return upstream.requests[0]?.header('x-forwarded-for');
}

describe('a gateway on Unix sockets', () => {
  it('serves both listeners, judges hosts by baseUrl, and leaves no file behind', async () => {
    const program = await start();
    expect(program.url).toBe(`unix:${path}`);
    expect(program.adminUrl).toBe(`unix:${adminPath}`);
    expect((await stat(path)).mode & 0o777).toBe(0o660);
    expect(await statusOf(path, '/public/x')).toBe(200);
    const foreign = await get(path, '/public/x', { host: 'other.example.test' });
    expect(foreign.resume().statusCode).toBe(421);
    const login = await get(path, '/auth/login', {
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    });
    expect(login.resume().headers.location).toContain(encodeURIComponent(`${BASE_URL}/auth/callback`));
    const ready = await get(adminPath, '/readyz', { host: 'localhost' });
    expect(await json(ready)).toMatchObject({ status: 'ready' });

    program.signal('SIGTERM');
    expect(await program.exit).toMatchObject({ code: 0 });
    expect([existsSync(path), existsSync(adminPath)]).toEqual([false, false]);
  });

  it('takes the mode of the file from the configuration', async () => {
    await start({}, '?mode=0600');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('believes X-Forwarded-For only with unix in trustProxy', async () => {
    const program = await start();
    expect(await forwardedFor('203.0.113.9')).toBe('203.0.113.9');
    expect(await forwardedFor()).toBe('unknown');
    await program.reconfigure({ trustProxy: ['127.0.0.1'] });
    program.signal('SIGHUP');
    await expect.poll(() => forwardedFor('203.0.113.9'), PATIENCE).toBe('unknown');
  });

  it('replaces the file that a killed gateway left behind', async () => {
    const first = await start();
    first.signal('SIGKILL');
    await first.exit;
    expect(existsSync(path)).toBe(true);
    await start();
    expect(await statusOf(path, '/public/x')).toBe(200);
  });

  it('does not start on the socket of a running process, or in place of another file', async () => {
    const other = createServer((socket) => socket.end()).listen(path);
    await once(other, 'listening');
    const inUse = await runProgram(yamlWith());
    expect(inUse).toMatchObject({ code: 1 });
    expect(inUse.stdout).toContain(`another process listens on ${path}`);
    expect(existsSync(path)).toBe(true);
    other.close();
    await once(other, 'close');

    await writeFile(path, 'a file');
    const occupied = await runProgram(yamlWith());
    expect(occupied).toMatchObject({ code: 1 });
    expect(occupied.stdout).toContain('exists and is not a socket');
    expect((await stat(path)).isFile()).toBe(true);
  });

  it('keeps the socket through a reload, and says that another one needs a restart', async () => {
    const program = await start();
    const { ino } = await stat(path);
    await program.reconfigure({ listen: `unix:${path}.other`, log: { level: 'debug' } });
    program.signal('SIGHUP');
    await program.waitForOutput((text) => text.includes('"configuration reloaded"') || undefined);
    expect(program.stdout()).toContain('keys that need a restart have changed');
    expect(await statusOf(path, '/public/x')).toBe(200);
    expect((await stat(path)).ino).toBe(ino);
  });

  it('shares the socket among workers, also with one that replaces another', async () => {
    const program = await start({ workers: 2 });
    const [victim = 0] = await workersOf(program);
    process.kill(victim, 'SIGKILL');
    await expect.poll(async () => (await workersOf(program)).includes(victim), PATIENCE).toBe(false);
    await expect.poll(async () => (await workersOf(program)).length, PATIENCE).toBe(2);
    expect(await statusOf(path, '/public/x')).toBe(200);
    expect((await stat(path)).mode & 0o777).toBe(0o660);
    program.signal('SIGTERM');
    expect(await program.exit).toMatchObject({ code: 0 });
    expect(existsSync(path)).toBe(false);
  });
});
