import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectPlain, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCertificateAuthority, type Identity } from '../../../testkit/network/certificate-authority.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { selfSignedWithWeakKey } from '../../../testkit/network/self-signed.ts';
import { type Program, startProgram, workersOf } from '../../../testkit/processes/program.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';

const HOST = 'app.example.test';
const PATIENCE = { timeout: 60_000 };
const ADMIN_TOKEN = 'canary-admin-token-of-32-characters-';
const authority = createCertificateAuthority();

let fixture: Fixture;
let program: Program | undefined;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(async () => {
  await program?.close();
  program = undefined;
  await fixture.close();
});

const fileOf = (name: string) => join(fixture.folder, name);

async function install({ cert, key }: Identity): Promise<void> {
  await writeFile(fileOf('tls.crt'), cert);
  await writeFile(fileOf('tls.key'), key);
}

/** A program with a TLS listener of its own, for `https://app.example.test`. */
async function start(workers: number): Promise<Program> {
  await install(authority.issue(HOST));
  const { provider, upstream, redis } = fixture;
  const tls = { certificate: '${file:' + fileOf('tls.crt') + '}', key: '${file:' + fileOf('tls.key') + '}' };
  program = await startProgram({
    provider,
    upstream,
    store: redis.url,
    baseUrl: `https://${HOST}`,
    config: { workers, tls },
  });
  return program;
}

async function open({ port }: Program, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ port, servername: HOST, ca: authority.certificate, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function certificateOf(at: Program): Promise<string> {
  const socket = await open(at);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

/** Sends a request of a page on the connection, and gives the first part of the response. */
async function respond(socket: TLSSocket, path: string): Promise<string> {
  const fields = ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'];
  socket.write([`GET ${path} HTTP/1.1`, `Host: ${HOST}`, ...fields, '', ''].join('\r\n'));
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data.toString('latin1');
}

/** Sends a request on the connection and gives the status line. */
async function ask(socket: TLSSocket): Promise<string | undefined> {
  return (await respond(socket, '/auth/session')).split('\r\n', 1)[0];
}

/** With workers, the supervisor logs a line of its own. */
async function reload(at: Program, outcome: string, lines: number): Promise<void> {
  const count = () => at.stdout().split(outcome).length - 1;
  const before = count();
  at.signal('SIGHUP');
  await expect.poll(count, PATIENCE).toBe(before + lines);
}

describe('a TLS listener of its own', () => {
  it.each([1, 2])('serves a sign-in, and reloads its certificate, with workers: %i', async (workers) => {
    const running = await start(workers);
    expect(running.url).toMatch(/^https:/);
    // The agent of a test speaks plain HTTP.
    const relay = await listenOnLoopback(
      createServer((plain) => {
        const secure = connect({ port: running.port, servername: HOST, ca: authority.certificate });
        for (const each of [plain, secure]) each.on('error', () => each.destroy());
        plain.pipe(secure).pipe(plain);
      }),
    );
    const agent = createUserAgent(`https://${HOST}`, { connect: { host: '127.0.0.1', port: relay.port } });
    await agent.signIn('/');
    expect((await agent.fetch('/api/one')).status).toBe(200);

    const socket = await open(running);
    const status = await ask(socket);
    expect(status).toMatch(/^HTTP\/1\.1 /);
    const before = await certificateOf(running);

    await install(authority.issue(HOST));
    await reload(running, '"configuration reloaded"', workers === 1 ? 1 : workers + 1);
    expect(await certificateOf(running)).not.toBe(before);
    expect(await ask(socket)).toBe(status);
    socket.destroy();
    expect((await agent.fetch('/api/one')).status).toBe(200);

    const current = await certificateOf(running);
    await writeFile(fileOf('tls.key'), authority.issue(HOST).key);
    await reload(running, 'config reload failed', 1);
    expect(await certificateOf(running)).toBe(current);
    expect(running.stdout()).not.toContain('PRIVATE KEY');
    agent.close();
    await relay.stop();
  });

  it.each([1, 2])(
    'keeps the certificate, in later workers too, when OpenSSL refuses the new one, with workers: %i',
    async (workers) => {
      const running = await start(workers);
      const before = await certificateOf(running);
      await install(selfSignedWithWeakKey);
      await reload(running, 'config reload failed', 1);
      const failures = async () =>
        /^coatcheck_config_reloads_total\{result="failure"\} (\d+)$/m.exec(
          await (await fetch(`${running.adminUrl}/metrics`)).text(),
        )?.[1];
      await expect.poll(failures, PATIENCE).toBe(String(workers));
      expect(await certificateOf(running)).toBe(before);
      const former = workers > 1 ? await workersOf(running) : [];
      for (const pid of former) process.kill(pid, 'SIGKILL');
      // A connection that the supervisor accepts while no worker runs gets no response.
      const current = () => Promise.race([certificateOf(running).catch(() => undefined), sleep(2_000)]);
      await expect.poll(current, PATIENCE).toBe(before);
      expect(running.stdout()).not.toContain('"configuration reloaded"');
      expect(running.stdout().split('config reload failed')).toHaveLength(2);
    },
  );

  it.each([1, 2])(
    'keeps the certificate with every other setting when a changed provider cannot be reached, with workers: %i',
    async (workers) => {
      const running = await start(workers);
      const { upstream, folder } = fixture;
      await writeFile(join(folder, 'index.html'), '<h1>the new app</h1>');
      const facts = async () => {
        const socket = await open(running);
        const paths = ['/auth/login', '/api/one', '/', '/login/session'];
        const responses: unknown[] = [];
        for (const path of paths) {
          const [, status, fields = ''] =
            /^HTTP\/1\.1 (\d+)([\s\S]*)$/.exec(await respond(socket, path)) ?? [];
          const [, location = ''] = /^location: ([^?\r]*)/im.exec(fields) ?? [];
          responses.push([path, status, location]);
        }
        socket.destroy();
        const admin = await fetch(`${running.adminUrl}/sessions?subject=alice`, {
          headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
        });
        const metrics = await (await fetch(`${running.adminUrl}/metrics`)).text();
        const loadedAt = /^coatcheck_config_loaded_timestamp_seconds (.*)$/m.exec(metrics)?.[1];
        return { certificate: await certificateOf(running), responses, admin: admin.status, loadedAt };
      };
      const before = await facts();
      await install(authority.issue(HOST));
      await running.reconfigure({
        log: { level: 'error' },
        admin: { token: ADMIN_TOKEN },
        login: { prefix: '/login' },
        spa: { directory: folder },
        routes: [{ path: '/api', upstream: upstream.url, auth: 'none' }],
        session: { secrets: ['canary-session-secret-of-a-reload-that-fails'] },
        provider: { issuer: 'http://127.0.0.1:1', timeout: '1s' },
      });
      await reload(running, 'config reload failed', workers === 1 ? 1 : workers + 1);

      expect(await facts()).toEqual(before);
      // The level of the log is the former one as well.
      const lines = () => running.stdout().split('"path":"/login/session"').length;
      await expect.poll(lines, PATIENCE).toBe(3);
    },
  );

  it('speaks HTTP/1.1 over TLS 1.2 or later', async () => {
    const running = await start(1);
    const socket = await open(running, { ALPNProtocols: ['h2', 'http/1.1'], maxVersion: 'TLSv1.2' });
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' };
    await expect(open(running, old)).rejects.toThrow(/alert|version/i);
  });

  it('names tls in the log when a reload turns it off', async () => {
    const running = await start(1);
    await running.reconfigure({ tls: { certificate: '${NONE:-}', key: '${NONE:-}' } });
    await reload(running, 'turning TLS on or off needs a restart', 1);
    expect(await certificateOf(running)).toMatch(/:/);
  });

  it('rejects plain HTTP and the PROXY protocol', async () => {
    const { port } = await start(1);
    for (const text of ['GET / HTTP/1.1\r\n\r\n', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n']) {
      const socket = connectPlain(port, '127.0.0.1').on('error', () => {});
      socket.resume().write(text);
      await once(socket, 'close');
      expect(socket.bytesRead).toBeLessThan(10);
    }
  });

  it('stops while an idle connection is open', async () => {
    const running = await start(1);
    const socket = await open(running);
    running.signal('SIGTERM');
    expect((await running.exit).code).toBe(0);
    socket.destroy();
  });
});
