import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Program, runProgram, workersOf } from '../../testkit/processes/program.ts';
import type { Behaviour } from '../../testkit/upstream/behaviours.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

const WORKERS = 3;
const PATIENCE = { timeout: 60_000 };

let fixture: Fixture;
let program: Program;

beforeEach(async () => {
  fixture = await openFixture();
  program = await fixture.start({ config: { workers: WORKERS } });
});

afterEach(() => fixture.close());

/** Browsers of one user on separate connections, which reach the workers in turn. */
function browsersOf(person: UserAgent, count: number): UserAgent[] {
  return Array.from({ length: count }, () => fixture.browser(program, { like: person }));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** What a scrape says; `calls` is undefined without counts. */
const scraped = (status: number | undefined, metrics: string) => {
  const numberOf = (name: RegExp) => {
    const [, number] = name.exec(metrics) ?? [];
    return number === undefined ? undefined : Number(number);
  };
  return {
    status,
    calls: numberOf(/^coatcheck_http_requests_total\{route="\/api",method="GET",status="200"\} (\d+)$/m),
    responding: numberOf(/^coatcheck_workers\{state="responding"\} (\d+)$/m),
    missing: numberOf(/^coatcheck_workers\{state="missing"\} (\d+)$/m),
  };
};
/** Reads the metrics; undefined while the connection leads to a worker that does not respond. */
const scrape = async () => {
  try {
    const response = await fetch(`${program.adminUrl}/metrics`, { signal: AbortSignal.timeout(3_000) });
    return scraped(response.status, await response.text());
  } catch {
    return undefined;
  }
};

const requestLines = () =>
  program
    .stdout()
    .split('\n')
    .filter((line) => line.includes('"msg":"request"'))
    .map((line): { worker?: number; route: string } => JSON.parse(line));

describe('a gateway with several workers', () => {
  it('serves one port and reports the metrics and the readiness of all workers', async () => {
    const alice = await fixture.signedIn(program);
    const calls = 5 * WORKERS;
    for (const browser of browsersOf(alice, calls))
      expect((await browser.fetch('/api/one')).status).toBe(200);

    await expect.poll(() => requestLines().filter(({ route }) => route === '/api').length).toBe(calls);
    expect(new Set(requestLines().map(({ worker }) => worker)).size).toBe(WORKERS);
    for (let probe = 0; probe < WORKERS; probe += 1) {
      // A worker that is busy may miss one collection.
      await expect.poll(scrape, PATIENCE).toEqual({ status: 200, calls, responding: WORKERS, missing: 0 });
      const metrics = await (await fetch(`${program.adminUrl}/metrics`)).text();
      expect(metrics).toMatch(/^coatcheck_sessions_started_total 1$/m);
      expect(metrics).toMatch(/^coatcheck_store_up 1$/m);
      const readiness = await fetch(`${program.adminUrl}/readyz`);
      expect(readiness.status).toBe(200);
      expect(await readiness.json()).toMatchObject({ status: 'ready' });
    }
  });

  it('refreshes an expired token once for a hundred requests across all workers', async () => {
    fixture.provider.accessTokenLifetime = 1;
    const alice = await fixture.signedIn(program);
    fixture.provider.accessTokenLifetime = 300;
    const [expiring] = fixture.provider.families[0]?.accessTokens ?? [];
    await expect
      .poll(() => fixture.provider.isAccessTokenActive(expiring?.token ?? ''), PATIENCE)
      .toBe(false);
    const responses = await Promise.all(
      browsersOf(alice, 100).map((browser, at) => browser.fetch(`/api/${at}`)),
    );
    expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
    expect(fixture.provider.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('lets its workers finish their refreshes and stop when their supervisor is killed, so that no session is lost', async () => {
    fixture.provider.accessTokenLifetime = 1;
    const names = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
    const people = await Promise.all(names.map((name) => fixture.signedIn(program, name)));
    fixture.provider.accessTokenLifetime = 300;
    const workers = await workersOf(program);
    await expect
      .poll(
        () =>
          fixture.provider.families.some(({ accessTokens }) =>
            accessTokens.some(({ token }) => fixture.provider.isAccessTokenActive(token)),
          ),
        PATIENCE,
      )
      .toBe(false);

    // The provider has rotated every refresh token, and its responses are on their way.
    const held = fixture.provider.faults.hold('token', 'after');
    const calls = people.map((person) => person.fetch('/api/one').catch(() => undefined));
    await expect
      .poll(() => fixture.provider.tokenCalls({ grant: 'refresh_token' }), PATIENCE)
      .toBe(people.length);
    program.killAlone();
    await expect.poll(() => isRunning(program.pid), PATIENCE).toBe(false);
    held.release();
    await Promise.all(calls);
    await expect.poll(() => workers.filter(isRunning), PATIENCE).toEqual([]);

    const successor = await fixture.start({ replicaOf: program });
    for (const person of people) {
      const browser = fixture.browser(successor, { like: person });
      expect((await browser.fetch('/api/two')).status).toBe(200);
    }
    expect(fixture.provider.families.map(({ alive }) => alive)).toEqual(people.map(() => true));
  });

  it('replaces a killed worker while the other workers continue', async () => {
    const alice = await fixture.signedIn(program);
    const gate = Promise.withResolvers<void>();
    let arrived = 0;
    const held: Behaviour = async (_request, response) => {
      arrived += 1;
      await gate.promise;
      response.end('done');
    };
    fixture.upstream.respond(held);
    const calls: Promise<number | 'cut'>[] = [];
    for (const browser of browsersOf(alice, 4 * WORKERS)) {
      const call = browser.fetch('/api/slow').then(
        ({ status }) => status,
        () => 'cut' as const,
      );
      calls.push(call);
      // One after the other, so that every worker gets as many.
      await expect.poll(() => arrived, PATIENCE).toBe(calls.length);
    }

    const [victim] = await workersOf(program);
    if (victim === undefined) throw new Error('the program has no worker');
    process.kill(victim, 'SIGKILL');
    await program.waitForOutput((text) =>
      text.includes('"a worker exited; starting a replacement"') ? text : undefined,
    );
    gate.resolve();
    const outcomes = await Promise.all(calls);
    expect(new Set(outcomes)).toEqual(new Set([200, 'cut']));
    // The connections of the dead worker are lost; all others complete.
    expect(outcomes.filter((outcome) => outcome === 200).length).toBeGreaterThan(WORKERS);

    fixture.upstream.respond(async (_request, response) => void response.end('done'));
    await expect.poll(async () => (await workersOf(program)).length, PATIENCE).toBe(WORKERS);
    expect(await workersOf(program)).not.toContain(victim);
    for (const browser of browsersOf(alice, 4 * WORKERS))
      expect((await browser.fetch('/api/two')).status).toBe(200);
    expect((await fetch(`${program.adminUrl}/readyz`)).status).toBe(200);
  });

  it.each([
    ['is killed', 'SIGKILL', 'a worker exited; starting a replacement'],
    ['hangs', 'SIGSTOP', 'a worker does not respond; killing it'],
  ] as const)(
    'reports no smaller counters when a worker %s, names the missing worker, and replaces it',
    async (_what, signal, message) => {
      const alice = await fixture.signedIn(program);
      const calls = 10 * WORKERS;
      for (const browser of browsersOf(alice, calls)) await browser.fetch('/api/one');
      await expect.poll(scrape).toEqual({ status: 200, calls, responding: WORKERS, missing: 0 });

      const [victim] = await workersOf(program);
      if (victim === undefined) throw new Error('the program has no worker');
      process.kill(victim, signal);
      const seen: NonNullable<Awaited<ReturnType<typeof scrape>>>[] = [];
      await expect
        .poll(
          async () => {
            const last = await scrape();
            if (last !== undefined) seen.push(last);
            const workers = await workersOf(program);
            return workers.length === WORKERS && !workers.includes(victim) && last?.responding === WORKERS;
          },
          { timeout: 60_000 },
        )
        .toBe(true);
      expect(new Set(seen.map(({ status }) => status))).toEqual(new Set([200]));
      expect(new Set(seen.map((each) => each.calls))).toEqual(new Set([calls]));
      await expect.poll(() => program.stdout()).toContain(message);
      const wasMissing = seen.some(({ missing }) => missing === 1);
      expect(wasMissing || signal === 'SIGKILL').toBe(true);
      expect(seen.at(-1)).toEqual({ status: 200, calls, responding: WORKERS, missing: 0 });
      for (const browser of browsersOf(alice, WORKERS))
        expect((await browser.fetch('/api/two')).status).toBe(200);
      await expect.poll(async () => (await scrape())?.calls).toBe(calls + WORKERS);
    },
  );

  it('responds to a scrape while its supervisor hangs, without counts, and names the other workers as missing', async () => {
    const alice = await fixture.signedIn(program);
    expect((await alice.fetch('/api/one')).status).toBe(200);
    // The supervisor accepts connections, so the scraper has one already.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const scrapeAgain = async () => {
      const request = get(`${program.adminUrl}/metrics`, { agent, signal: AbortSignal.timeout(10_000) });
      const [response]: IncomingMessage[] = await once(request, 'response');
      if (response === undefined) throw new Error('the request has no response');
      return scraped(response.statusCode, await text(response));
    };
    const scrapeWithoutSupervisor = async () => {
      await scrapeAgain();
      program.signal('SIGSTOP');
      try {
        return await scrapeAgain();
      } finally {
        program.signal('SIGCONT');
      }
    };
    const lacking = { status: 200, calls: undefined, responding: 1, missing: WORKERS - 1 };
    await expect.poll(scrapeWithoutSupervisor, { timeout: 60_000 }).toEqual(lacking);
    const complete = { status: 200, calls: 1, responding: WORKERS, missing: 0 };
    await expect.poll(scrapeAgain, PATIENCE).toEqual(complete);
  });

  it('names the missing worker while its replacement hangs at its start, and replaces that one too', async () => {
    // The first replacement blocks its event loop before it has loaded the program.
    const module = encodeURIComponent(`
      import cluster from 'node:cluster';
      if (cluster.worker?.id === ${WORKERS + 1}) for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    `);
    program = await fixture.start({
      config: { workers: WORKERS },
      env: { NODE_OPTIONS: `--import=data:text/javascript,${module}` },
    });
    const [victim] = await workersOf(program);
    if (victim === undefined) throw new Error('the program has no worker');
    process.kill(victim, 'SIGKILL');
    await program.waitForOutput((text) =>
      text.includes('"a worker exited; starting a replacement"') ? text : undefined,
    );
    await expect.poll(scrape, PATIENCE).toMatchObject({ responding: WORKERS - 1, missing: 1 });
    await program.waitForOutput(
      (text) => (text.includes('"a worker does not start; killing it"') ? text : undefined),
      150_000,
    );
    await expect.poll(scrape, { timeout: 60_000 }).toMatchObject({ responding: WORKERS, missing: 0 });
    const alice = await fixture.signedIn(program);
    for (const browser of browsersOf(alice, WORKERS))
      expect((await browser.fetch('/api/one')).status).toBe(200);
  }, 300_000);

  it('leaves no client waiting that a worker has not accepted when it is killed', async () => {
    const [hanging] = await workersOf(program);
    if (hanging === undefined) throw new Error('there is no worker');
    process.kill(hanging, 'SIGSTOP');
    let settled = 0;
    // Each has its own connection: at least one waits for the worker that hangs.
    const statuses = Array.from({ length: 5 * WORKERS }, async () => {
      const headers = { connection: 'close' };
      const status = await fetch(`${program.url}/auth/session`, { headers }).then(
        (response) => response.status,
        () => 'cut',
      );
      settled += 1;
      return status;
    });
    await expect.poll(() => settled, PATIENCE).toBeGreaterThanOrEqual(statuses.length - 1);
    // On a slow machine, the supervisor has killed it already.
    if (isRunning(hanging)) process.kill(hanging, 'SIGKILL');
    expect((await Promise.all(statuses)).filter((status) => status !== 200)).toEqual(['cut']);
  });

  it('completes running requests in every worker on SIGTERM and exits with code 0', async () => {
    const alice = await fixture.signedIn(program);
    const gate = Promise.withResolvers<void>();
    let arrived = 0;
    fixture.upstream.respond(async (_request, response) => {
      arrived += 1;
      await gate.promise;
      response.end('done');
    });
    const calls = browsersOf(alice, 2 * WORKERS).map((browser) => browser.fetch('/api/slow'));
    await expect.poll(() => arrived, PATIENCE).toBe(2 * WORKERS);
    program.signal('SIGTERM');
    await program.waitForOutput((text) => (text.includes('"msg":"stopping"') ? text : undefined));
    gate.resolve();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 200));
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.stdout().match(/"msg":"stopped"/g)).toHaveLength(WORKERS + 1);
  });

  it('reloads or stops without harm while a worker is still starting', async () => {
    // Workers after the first take long to start.
    const module = encodeURIComponent(`
      import cluster from 'node:cluster';
      if (cluster.worker?.id > ${WORKERS}) await new Promise((go) => setTimeout(go, 3000));
    `);
    program = await fixture.start({
      config: { workers: WORKERS },
      env: { NODE_OPTIONS: `--import=data:text/javascript,${module}` },
    });
    const replaceOne = async () => {
      const [victim] = await workersOf(program);
      if (victim === undefined) throw new Error('the program has no worker');
      process.kill(victim, 'SIGKILL');
      await expect.poll(() => workersOf(program), PATIENCE).not.toContain(victim);
      await expect.poll(async () => (await workersOf(program)).length, PATIENCE).toBe(WORKERS);
    };
    const countOf = (message: string) => program.stdout().split(`"msg":"${message}"`).length - 1;

    await replaceOne();
    program.signal('SIGHUP');
    await expect.poll(() => countOf('configuration reloaded'), PATIENCE).toBe(WORKERS + 1);
    await replaceOne();
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(countOf('a worker exited; starting a replacement')).toBe(2);
  });

  it('ends its workers when the supervisor is killed', async () => {
    const workers = await workersOf(program);
    process.kill(program.pid, 'SIGKILL');
    await program.exit;
    await expect.poll(() => workers.filter(isRunning), PATIENCE).toEqual([]);
  });
});

it('a gateway whose workers cannot listen exits with an error that names the cause', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { code, stdout } = await runProgram(`
baseUrl: http://127.0.0.1:${port}
listen: 127.0.0.1:${port}
admin: { listen: '127.0.0.1:0' }
workers: 2
provider: { type: oidc, issuer: '${fixture.provider.issuer}', clientId: web, clientSecret: secret }
session: { store: '${fixture.redis.url}', secrets: ['a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c'] }
`);
  taken.close();
  expect(code).toBe(1);
  expect(stdout).toContain('EADDRINUSE');
  expect(stdout).toContain('a worker exited before it was ready');
});
