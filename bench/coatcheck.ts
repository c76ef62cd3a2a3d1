import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { glibcVariables } from '../src/performance/glibc.ts';
import { v8Flags } from '../src/performance/v8-flags.ts';
import { startChildProcess } from '../testkit/processes/child-process.ts';
import { freePort } from '../testkit/network/free-port.ts';
import { createUserAgent } from '../testkit/user-agent/user-agent.ts';
import type { Worker } from './worker.ts';
import type { ProviderShape } from './workers/provider.ts';

/** The built Coatcheck, in its own processes. */
export type Coatcheck = {
  readonly pid: number;
  readonly port: number;
  readonly baseUrl: string;
  /** Time from start to ready, in milliseconds. */
  readonly readyAfterMs: number;
  /** Signs users in through the provider, a few at a time, and returns their cookies. */
  signIn(names: readonly string[]): Promise<string[]>;
  /** The value of a metric, summed over its labels. */
  metric(name: string): Promise<number>;
  /** Ends every session of a subject through the admin listener. */
  endSessionsOf(subject: string): Promise<void>;
  close(): Promise<void>;
};

/** `config` holds configuration keys that differ from the benchmark's defaults. */
export type CoatcheckOptions = {
  provider: Worker<ProviderShape>;
  /** The directory of its configuration file. */
  directory: string;
  upstream: string;
  redisUrl: string;
  /** Processes with the same prefix and base URL are replicas of one deployment. */
  keyPrefix: string;
  baseUrl?: string | undefined;
  /** Keys of its route `/api` that differ from the defaults. */
  route?: Record<string, unknown>;
  /** The keys of a second route, which gets no requests. */
  unusedRoute?: Record<string, unknown>;
  /** Keys of `provider` that differ. */
  providerKeys?: Record<string, unknown>;
  /** Keys of `session` that differ. */
  session?: Record<string, unknown>;
  config?: Record<string, unknown>;
  /** Variables besides those of this process. */
  env?: Record<string, string>;
};

const ADMIN_TOKEN = 'the-operator-of-the-benchmark-only';
const SESSION_SECRET = 'benchmark-secret-Nw6bJk3VxT8qMz5RfH2d';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const POLL_INTERVAL_MS = 5;
const MAX_CONCURRENT_SIGN_INS = 8;

/**
 * Starts the built program with its own configuration file and waits until it is ready. Its log goes to /dev/null:
 * this process would otherwise spend CPU time on reading the pipe.
 *
 * @throws Error with the program's stderr when it is not ready in time.
 */
export async function startCoatcheck(options: CoatcheckOptions): Promise<Coatcheck> {
  const { provider, directory, upstream, redisUrl, keyPrefix, config } = options;
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const { baseUrl = `http://127.0.0.1:${port}` } = options;
  await provider.ask('register', baseUrl);
  const { issuer, clientId, clientSecret } = provider.ready;
  const file = join(directory, `${port}.yaml`);
  const text = {
    baseUrl,
    listen: `127.0.0.1:${port}`,
    admin: { listen: `127.0.0.1:${adminPort}`, token: ADMIN_TOKEN },
    provider: { type: 'oidc', issuer, clientId, clientSecret, ...options.providerKeys },
    session: { store: redisUrl, secrets: [SESSION_SECRET], keyPrefix, ...options.session },
    routes: [
      { path: '/api', upstream, ...options.route },
      ...(options.unusedRoute === undefined ? [] : [{ path: '/unused', upstream, ...options.unusedRoute }]),
    ],
    ...config,
  };
  await writeFile(file, JSON.stringify(text));

  const startedMs = performance.now();
  const command = ['-c', 'exec "$@" >/dev/null', 'sh', process.execPath, ...v8Flags, MAIN, '--config', file];
  const child = startChildProcess('/bin/sh', command, {
    env: { ...glibcVariables, ...process.env, ...options.env },
  });
  let ended = false;
  void child.exit.then(() => (ended = true));
  const admin = `http://127.0.0.1:${adminPort}`;
  while (!(await isReady(admin))) {
    if (!ended && performance.now() - startedMs < START_TIMEOUT_MS) {
      await sleep(POLL_INTERVAL_MS);
      continue;
    }
    const { code, signal } = await child.terminate(0);
    throw new Error(`Coatcheck is not ready (${code ?? signal})\n${child.stderr()}`);
  }

  return {
    pid: child.pid,
    port,
    baseUrl,
    readyAfterMs: performance.now() - startedMs,

    signIn: async (names) => {
      const cookies: string[] = [];
      const queue = names.entries();
      const work = async () => {
        for (const [at, name] of queue) cookies[at] = await signIn(baseUrl, port, name);
      };
      await Promise.all(Array.from({ length: MAX_CONCURRENT_SIGN_INS }, work));
      return cookies;
    },

    metric: async (name) => {
      const text = await (await fetch(`${admin}/metrics`)).text();
      const values = text.matchAll(new RegExp(`^coatcheck_${name}(?:\\{.*\\})? (\\S+)$`, 'gm'));
      return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
    },

    endSessionsOf: async (subject) => {
      const response = await fetch(`${admin}/sessions?${new URLSearchParams({ subject })}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      });
      await response.arrayBuffer();
    },

    close: async () => {
      await child.terminate(3000);
    },
  };
}

async function isReady(admin: string): Promise<boolean> {
  try {
    return (await fetch(`${admin}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** Signs in and returns the session cookie. */
async function signIn(baseUrl: string, port: number, name: string): Promise<string> {
  const browser = createUserAgent(baseUrl, { connect: { host: '127.0.0.1', port } });
  try {
    await browser.signIn('/', { loginHint: name });
    return `coatcheck=${browser.cookies.get('coatcheck')?.value}`;
  } finally {
    browser.close();
  }
}
