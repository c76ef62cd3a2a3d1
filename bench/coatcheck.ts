import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChildProcess } from '../testkit/child-process.ts';
import { freePort } from '../testkit/free-port.ts';
import { createUserAgent } from '../testkit/user-agent.ts';
import type { Worker } from './worker.ts';
import type { ProviderShape } from './workers/provider.ts';

/** Coatcheck as it is built, in processes of its own. */
export type Coatcheck = {
  readonly pid: number;
  readonly port: number;
  readonly baseUrl: string;
  /** How long it took from its start until it was ready, in milliseconds. */
  readonly readyAfterMs: number;
  /** Signs people in through the provider, a few at a time, and gives their cookies. */
  signIn(names: readonly string[]): Promise<string[]>;
  /** The value of a meter, its labels added up. */
  metric(name: string): Promise<number>;
  /** Ends all sessions of somebody by the admin listener. */
  endSessionsOf(subject: string): Promise<void>;
  close(): Promise<void>;
};

/** How one is started. `config` holds keys of the configuration file that differ from those of the benchmark. */
export type CoatcheckOptions = {
  provider: Worker<ProviderShape>;
  /** Where its configuration file is put. */
  directory: string;
  upstream: string;
  redisUrl: string;
  /** Processes with the same prefix and base URL are replicas of one deployment. */
  keyPrefix: string;
  baseUrl?: string | undefined;
  /** Keys of its one route that differ. */
  route?: Record<string, unknown>;
  /** Keys of `session` that differ. */
  session?: Record<string, unknown>;
  config?: Record<string, unknown>;
};

const ADMIN_TOKEN = 'the-operator-of-the-benchmark';
const SESSION_SECRET = 'a-secret-that-only-the-benchmark-knows';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_TIMEOUT_MS = 15_000;
const POLL_INTERVAL_MS = 5;
const MAX_CONCURRENT_SIGN_INS = 8;

/**
 * Starts the built program with a configuration file of its own, and waits until it is ready. Its log goes where logs
 * cost nothing: to a pipe it would be this process that pays for reading it.
 *
 * @throws Error, with what it wrote, when it ends before it is ready.
 */
export async function startCoatcheck(options: CoatcheckOptions): Promise<Coatcheck> {
  const { provider, directory, upstream, redisUrl, keyPrefix, config } = options;
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const { baseUrl = `http://127.0.0.1:${port}` } = options;
  await provider.ask('register', baseUrl);
  const { issuer, clientId, clientSecret } = provider.hello;
  const file = join(directory, `${port}.yaml`);
  const text = {
    baseUrl,
    listen: `127.0.0.1:${port}`,
    admin: { listen: `127.0.0.1:${adminPort}`, token: ADMIN_TOKEN },
    provider: { type: 'oidc', issuer, clientId, clientSecret },
    session: { store: redisUrl, secrets: [SESSION_SECRET], keyPrefix, ...options.session },
    routes: [{ path: '/api', upstream, ...options.route }],
    ...config,
  };
  await writeFile(file, JSON.stringify(text));

  const startedMs = performance.now();
  const child = startChildProcess('/bin/sh', [
    '-c',
    'exec "$@" >/dev/null',
    'sh',
    process.execPath,
    MAIN,
    '--config',
    file,
  ]);
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

/** Goes through a whole sign-in, and gives the cookie that came of it. */
async function signIn(baseUrl: string, port: number, name: string): Promise<string> {
  const browser = createUserAgent(baseUrl, { connect: { host: '127.0.0.1', port } });
  try {
    await browser.signIn('/', { loginHint: name });
    return `coatcheck=${browser.cookies.get('coatcheck')?.value}`;
  } finally {
    browser.close();
  }
}
