import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';
import { type Program, workersOf } from '../../../testkit/processes/program.ts';
import { startUpstream } from '../../../testkit/upstream/upstream.ts';
import { echo, requireToken } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';

const PATIENCE = { timeout: 60_000 };
const TOKEN = 'canary-admin-token-of-32-characters-';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

const count = (program: Program, text: string) => program.stdout().split(text).length - 1;

/** Reloads by SIGHUP with these keys changed, and waits until `lines` processes have said how it ended. */
async function reload(program: Program, changes: Record<string, unknown>, lines = 1): Promise<string> {
  const outcomes = () =>
    program
      .stdout()
      .split('\n')
      .filter((line) => /"configuration reloaded"|config reload failed/.test(line));
  const before = outcomes().length;
  await program.reconfigure(changes);
  program.signal('SIGHUP');
  await expect.poll(() => outcomes().length, PATIENCE).toBe(before + lines);
  return outcomes().slice(before).join('\n');
}

async function metric(program: Program, name: string): Promise<number> {
  const text = await (await fetch(`${program.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

describe('ten reloads under load', () => {
  it.each([1, 2])(
    'drop no request, WebSocket, stream or refresh, with workers: %i',
    async (workers) => {
      const { provider, upstream } = fixture;
      Object.assign(provider, { accessTokenLifetime: 2 });
      const stream = controlledStream();
      const accept = requireToken(provider.isAccessTokenActive);
      upstream.respond((request, ...rest) =>
        request.url === '/api/stream' ? stream.behaviour(request, ...rest) : accept(request, ...rest),
      );
      const base = { workers, refresh: { maxPerMinute: 600 } };
      const program = await fixture.start({ config: base });
      const agents: UserAgent[] = [];
      for (const name of ['alice', 'bob', 'carol', 'dave'])
        agents.push(await fixture.signedIn(program, name));
      const [alice = fixture.browser(program)] = agents;
      const socket = await alice.websocket('/socket/live');
      const open = await alice.open('/api/stream', { headers: { 'X-CSRF': '1' } });
      expect(open.status).toBe(200);
      const received: string[] = [];
      open.body.on('data', (chunk: Buffer) => received.push(chunk.toString())).resume();

      const statuses = new Map<string, number>();
      let isOver = false;
      const load = agents.flatMap((agent) =>
        ['/api/one', '/api/two', '/auth/session'].map(async (path) => {
          while (!isOver) {
            const response = await agent.fetch(path);
            const { status } = response;
            const outcome = status === 200 ? '200' : `${path} ${status} ${response.text()}`;
            statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
            await sleep(5);
          }
        }),
      );

      /**
       * Each reload adds a secret, and the former ones still open what they have sealed. Several workers, like replicas, get a
       * new one behind the others first: one of them reloads before the other.
       */
      const secretsOf = (index: number) => {
        const added = Array.from(
          { length: index + 1 },
          (_, at) => `canary-session-secret-${at}-Jt6yBw3KxN9qRf`,
        );
        const oldestFirst = [SESSION_SECRET, ...added];
        return workers === 1 ? oldestFirst.toReversed() : oldestFirst;
      };
      for (let index = 0; index < 10; index += 1) {
        const said = await reload(
          program,
          {
            // All parts are created again, the provider and the connections to the upstream among them.
            refresh: { timeout: `${10 + index}s` },
            session: {
              secrets: secretsOf(index),
              claims: ['sub', `c${index}`],
            },
            routes: ['/api', '/socket'].map((path) => ({
              path,
              upstream: upstream.url,
              websocket: path === '/socket',
              requestHeaders: { set: { 'X-Reload': `${index}` } },
            })),
          },
          workers === 1 ? 1 : workers + 1,
        );
        expect(said).not.toContain('failed');
        socket.send(`message ${index}`);
        expect(await socket.next()).toBe(`message ${index}`);
        await stream.write(`data: event ${index}\n\n`);
        await expect.poll(() => received.join(''), PATIENCE).toContain(`event ${index}\n`);
        await sleep(300);
      }
      isOver = true;
      await Promise.all(load);
      await stream.end();

      expect([...statuses.keys()]).toEqual(['200']);
      expect(upstream.requests.at(-1)?.header('x-reload')).toBe('9');
      expect(provider.families).toMatchObject(agents.map(() => ({ alive: true, reuses: 0 })));
      for (const { refreshTokens } of provider.families) expect(refreshTokens.length).toBeGreaterThan(2);
      await expect
        .poll(() => metric(program, 'coatcheck_config_reloads_total{result="success"}'), PATIENCE)
        .toBe(10 * workers);
      expect(program.stdout()).not.toContain('canary-');
    },
    120_000,
  );
});

describe('a reload on SIGHUP', () => {
  it('applies routes, provider, csrf, login, SPA, limits, admin token and log level', async () => {
    const { upstream } = fixture;
    const other = await startUpstream();
    const spa = join(fixture.folder, 'spa');
    await mkdir(spa);
    await writeFile(join(spa, 'index.html'), '<h1>the app</h1>');
    const program = await fixture.start();
    const agent = await fixture.signedIn(program);
    const admin = () =>
      fetch(`${program.adminUrl}/sessions?subject=alice`, { headers: { Authorization: `Bearer ${TOKEN}` } });
    expect((await admin()).status).toBe(404);
    expect((await agent.navigate('/')).response.status).toBe(404);

    const said = await reload(program, {
      admin: { token: TOKEN },
      provider: { scopes: ['openid', 'added'] },
      csrf: { mode: 'header' },
      login: { prefix: '/login' },
      spa: { directory: spa },
      rateLimit: { sessions: 1 },
      routes: [
        { path: '/api/other', upstream: other.url, auth: 'none' },
        { path: '/api', upstream: upstream.url },
      ],
    });
    expect(said).toContain('"configuration reloaded"');

    expect((await agent.fetch('/api/one')).json()).toMatchObject({ code: 'csrf_rejected' });
    const headers = { 'X-CSRF': '1' };
    expect((await agent.fetch('/api/one', { headers })).status).toBe(200);
    expect((await agent.fetch('/api/other', { headers })).status).toBe(200);
    expect(other.requests).toHaveLength(1);
    expect((await admin()).status).toBe(200);
    expect((await agent.navigate('/')).response.text()).toContain('the app');
    expect((await agent.fetch('/login/session')).json()).toMatchObject({
      authenticated: true,
      loginUrl: '/login/login',
    });
    const statuses = [await agent.fetch('/login/sessions'), await agent.fetch('/login/sessions')];
    expect(statuses.map(({ status }) => status)).toEqual([200, 429]);
    const login = await agent.request('/login/login');
    expect(new URL(login.header('location') ?? '').searchParams.get('scope')).toBe('openid added');
    await other.close();
  });

  it('applies the level of the log', async () => {
    const program = await fixture.start();
    const agent = fixture.browser(program);
    await program.reconfigure({ log: { level: 'warn' } });
    program.signal('SIGHUP');
    const reloads = () => metric(program, 'coatcheck_config_reloads_total{result="success"}');
    await expect.poll(reloads, PATIENCE).toBe(1);
    const quiet = await agent.fetch('/api/one');
    await reload(program, {});
    const noted = await agent.fetch('/api/one');
    await program.waitForOutput((text) => text.includes(noted.header('x-request-id') ?? '-') || undefined);
    expect(program.stdout()).not.toContain(quiet.header('x-request-id'));
  });

  it('keeps everything and says why when the file is invalid', async () => {
    const program = await fixture.start();
    const agent = await fixture.signedIn(program);
    const loadedAt = await metric(program, 'coatcheck_config_loaded_timestamp_seconds');
    const said = await reload(program, { routes: [], csrf: { mode: 'none' } });
    expect(said).toContain('config reload failed; keeping the current settings');
    expect(said).toContain('csrf.mode: expected one of fetch-metadata, header');
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(await metric(program, 'coatcheck_config_reloads_total{result="failure"}')).toBe(1);
    expect(await metric(program, 'coatcheck_config_reloads_total{result="success"}')).toBe(0);
    expect(await metric(program, 'coatcheck_config_loaded_timestamp_seconds')).toBe(loadedAt);
    await reload(program, {});
    expect(await metric(program, 'coatcheck_config_reloads_total{result="success"}')).toBe(1);
    expect(await metric(program, 'coatcheck_config_loaded_timestamp_seconds')).toBeGreaterThan(loadedAt);
  });

  it.each([1, 2])(
    'names the keys that need a restart in one line and keeps their values, with workers: %i',
    async (workers) => {
      const program = await fixture.start({ config: { workers } });
      const agent = await fixture.signedIn(program);
      await reload(
        program,
        {
          listen: '127.0.0.1:1',
          admin: { listen: '127.0.0.1:2' },
          workers: 7,
          session: { store: 'redis://127.0.0.1:3', keyPrefix: 'other:' },
          routes: [{ path: '/api', upstream: fixture.upstream.url, auth: 'none' }],
        },
        workers === 1 ? 1 : workers + 1,
      );
      const warnings = program
        .stdout()
        .split('\n')
        .filter((line) => line.includes('need a restart'));
      expect(warnings).toHaveLength(1);
      expect(JSON.parse(warnings[0] ?? '')).toMatchObject({
        level: 'warn',
        keys: ['listen', 'admin.listen', 'workers', 'session.store', 'session.keyPrefix'],
      });
      expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
      fixture.upstream.respond(echo);
      expect((await fixture.browser(program).fetch('/api/one')).status).toBe(200);
    },
  );

  it('reports a failure only, once every worker has failed, when no worker can read the metadata of a changed provider', async () => {
    const workers = 2;
    const program = await fixture.start({ config: { workers } });
    const agent = await fixture.signedIn(program);
    const said = await reload(
      program,
      { provider: { issuer: 'http://127.0.0.1:1', timeout: '1s' } },
      workers + 1,
    );
    expect(said).toContain('the workers could not reload: ');
    expect(said).not.toContain('"configuration reloaded"');
    expect((await agent.fetch('/api/one')).status).toBe(200);
    await expect
      .poll(() => metric(program, 'coatcheck_config_reloads_total{result="failure"}'), PATIENCE)
      .toBe(workers);
  });

  it('gives a worker that starts later the last valid configuration, but for the keys that need a restart', async () => {
    const workers = 2;
    const errorPage = join(fixture.folder, 'error.html');
    await writeFile(errorPage, '<h1>{{title}}</h1>');
    const program = await fixture.start({ config: { workers, login: { errorPage } } });
    fixture.upstream.respond(echo);
    const open = [{ path: '/api', upstream: fixture.upstream.url, auth: 'none' }];
    await reload(program, { routes: open, listen: '127.0.0.1:1', workers: 1 }, workers + 1);
    await writeFile(errorPage, '<h1>{{unknown}}</h1>');
    expect(await reload(program, { routes: 'none' })).toContain('config reload failed');

    const started = count(program, '"msg":"a worker exited; starting a replacement"');
    for (const pid of await workersOf(program)) process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => count(program, '"msg":"a worker exited; starting a replacement"'), PATIENCE)
      .toBe(started + workers);
    const status = async () =>
      (
        await fixture
          .browser(program)
          .fetch('/api/one')
          .catch(() => undefined)
      )?.status;
    // A connection that the supervisor accepts while no worker runs gets no response.
    await expect.poll(() => Promise.race([status(), sleep(2_000)]), PATIENCE).toBe(200);
    for (let call = 0; call < 2 * workers; call += 1) expect(await status()).toBe(200);
  });
});

describe('--watch', () => {
  it('reloads when a Kubernetes mount is swapped by its symbolic link, and when a file it names changes', async () => {
    const { folder, upstream } = fixture;
    const program = await fixture.start({ args: ['--watch'] });
    upstream.respond(echo);
    const agent = fixture.browser(program);
    expect((await agent.fetch('/api/one')).status).toBe(401);

    // The file becomes a link into a directory that is itself a link, as in a mounted ConfigMap.
    const text = await readFile(program.file, 'utf8');
    const publish = async (name: string, content: string) => {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'coatcheck.yaml'), content);
      await symlink(name, join(folder, '..data_tmp'));
      await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    await publish('one', JSON.stringify({ ...JSON.parse(text), shutdownTimeout: '20s' }));
    await symlink(join(folder, '..data/coatcheck.yaml'), `${program.file}.link`);
    await rename(`${program.file}.link`, program.file);
    await expect.poll(() => count(program, '"configuration reloaded"'), PATIENCE).toBe(1);

    const token = join(folder, 'token');
    await writeFile(token, `${TOKEN}\n`);
    const routes = [{ path: '/api', upstream: upstream.url, auth: 'none' }];
    const config = JSON.parse(text) as Record<string, unknown>;
    const admin = { listen: '127.0.0.1:0', token: `\${file:${token}}` };
    await publish('two', JSON.stringify({ ...config, admin, routes }));
    await expect.poll(() => count(program, '"configuration reloaded"'), PATIENCE).toBe(2);
    expect((await agent.fetch('/api/one')).status).toBe(200);

    await writeFile(token, 'too short');
    await expect.poll(() => count(program, 'config reload failed'), PATIENCE).toBe(1);
    await writeFile(token, `${TOKEN}-next`);
    await expect.poll(() => count(program, '"configuration reloaded"'), PATIENCE).toBe(3);
    expect(count(program, 'config reload failed')).toBe(1);
  });

  it('notices a change that comes right after a reload, by a signal or by itself', async () => {
    const program = await fixture.start({ args: ['--watch'] });
    const { upstream } = fixture;
    upstream.respond(echo);
    const agent = fixture.browser(program);
    const configure = (version: string) =>
      program.reconfigure({
        routes: [
          {
            path: '/api',
            upstream: upstream.url,
            auth: 'none',
            requestHeaders: { set: { 'X-Version': version } },
          },
        ],
      });
    const inForce = async () => {
      await agent.fetch('/api/one');
      return upstream.requests.at(-1)?.header('x-version');
    };
    for (const byItself of [false, true, false, true]) {
      const before = count(program, '"configuration reloaded"');
      await configure(`first ${byItself}`);
      if (!byItself) program.signal('SIGHUP');
      await program.waitForOutput(
        (text) => text.split('"configuration reloaded"').length - 1 > before || undefined,
      );
      await configure(`second ${byItself}`);
      await expect.poll(inForce, PATIENCE).toBe(`second ${byItself}`);
    }
    expect(program.stdout()).not.toContain('config reload failed');
  });
});
