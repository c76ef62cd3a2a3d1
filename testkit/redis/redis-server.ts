import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { withTimeout } from '../../src/concurrency/with-timeout.ts';
import { minimalAcl } from '../../src/redis/rights.ts';
import { canaries } from '../secrets/canaries.ts';
import { type ChildProcess, startChildProcess } from '../processes/child-process.ts';
import { freePort } from '../network/free-port.ts';
import { dumpRedis } from './redis-dump.ts';

/** A real redis-server for one test. */
export type RedisServer = {
  /** The address for gateways, with a user that has only the documented rights; unchanged by `stop` and `start`. */
  readonly url: string;
  /** `redis://127.0.0.1:PORT/0`, with all rights. */
  readonly rootUrl: string;
  readonly port: number;
  /** The current process id, which changes after `stop` and `start`. */
  readonly pid: number;
  /** Ends the process and closes the port. The data is lost unless `args` enable persistence. */
  stop(): Promise<void>;
  /** Kills the process (SIGKILL), like a power cut. It can be started again. */
  crash(): Promise<void>;
  /** Starts a process again, on the same port. */
  start(): Promise<void>;
  /** Freezes the process (SIGSTOP): connections stay open and get no reply. */
  pause(): void;
  /** Thaws the process (SIGCONT). */
  resume(): void;
  /** Sends one command over its own connection and returns the reply. */
  command(name: string, ...args: (string | number | Buffer)[]): Promise<unknown>;
  /** Every key of every database with its type, its time to live and its values, as latin1 text to search. */
  dump(): Promise<string>;
  /** Ends the process and removes its files. */
  close(): Promise<void>;
};

/** The options of a server; by default it has no persistence and no password. */
export type RedisOptions = {
  /** Further arguments of redis-server, such as `['--maxmemory', '2mb']`. */
  args?: readonly string[];
};

/** The Redis user of gateways, with the rights from docs/operations.md. */
export const GATEWAY_NAME = 'coatcheck';
export const GATEWAY_PASSWORD = 'password-of-the-gateway';
/** Its name and password, as in `session.store`. */
export const GATEWAY_USER = `${GATEWAY_NAME}:${GATEWAY_PASSWORD}`;

const ATTEMPTS = 3;
/** How long the dump before a stop may take, in milliseconds. */
const INSPECTION_MS = 2_000;

/**
 * Starts redis-server, from `REDIS_SERVER` or the `PATH`, on a free port of 127.0.0.1.
 *
 * @throws Error naming the package to install when there is no redis-server.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = findRedisServer();
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-redis-'));

  const launch = async (port: number): Promise<ChildProcess> => {
    const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
    const user = [
      '--user',
      GATEWAY_NAME,
      'on',
      `>${GATEWAY_PASSWORD}`,
      ...minimalAcl('coatcheck:').split(' '),
    ];
    const child = startChildProcess(binary, [...settings.map(String), ...user, ...(options.args ?? [])]);
    await child.waitForOutput((text) => text.includes('Ready to accept connections') || undefined);
    return child;
  };

  const launchAnywhere = async (attempt = 1): Promise<{ child: ChildProcess; port: number }> => {
    const port = await freePort();
    try {
      return { child: await launch(port), port };
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      return launchAnywhere(attempt + 1);
    }
  };

  const first = await launchAnywhere().catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true });
    throw error;
  });
  const { port } = first;
  let child: ChildProcess | undefined = first.child;
  let client: Redis | undefined;
  let isFrozen = false;

  const running = () => {
    if (child === undefined) throw new Error('this redis-server is stopped');
    return child;
  };
  const connection = () => {
    running();
    // A server that changes its role cuts its connections.
    if (client?.status === 'end') client = undefined;
    client ??= new Redis(port, '127.0.0.1', { retryStrategy: () => null }).on('error', () => {});
    return client;
  };
  const disconnect = () => {
    client?.disconnect();
    client = undefined;
  };

  /** Searches the whole content for secrets. A server that does not reply, or a node with the keys of another, reveals nothing. */
  const inspect = async () => {
    if (child === undefined || isFrozen) return;
    const content = await withTimeout(
      dumpRedis(connection()).catch(() => ''),
      INSPECTION_MS,
    );
    canaries.see('Redis', content ?? '');
  };

  const stop = async () => {
    await inspect();
    disconnect();
    const ending = child;
    child = undefined;
    if (ending === undefined) return;
    ending.signal('SIGCONT');
    isFrozen = false;
    await ending.terminate();
  };

  return {
    url: `redis://${GATEWAY_USER}@127.0.0.1:${port}/0`,
    rootUrl: `redis://127.0.0.1:${port}/0`,
    port,
    get pid() {
      return running().pid;
    },
    stop,
    crash: async () => {
      running().signal('SIGKILL');
      isFrozen = true;
      await stop();
    },
    start: async () => {
      child ??= await launch(port);
    },
    pause: () => {
      isFrozen = true;
      running().signal('SIGSTOP');
    },
    resume: () => {
      isFrozen = false;
      running().signal('SIGCONT');
    },
    command: (name, ...args) => {
      const open = connection();
      return /^flush/i.test(name) ? inspect().then(() => open.call(name, ...args)) : open.call(name, ...args);
    },
    dump: () => dumpRedis(connection()),
    close: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * The program in `REDIS_SERVER`, or the first on the `PATH`.
 *
 * @throws Error naming the package to install when there is none.
 */
export function findRedisServer(): string {
  const named = process.env['REDIS_SERVER'];
  const candidates = named
    ? [named]
    : (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'redis-server'));
  const binary = candidates.find(isExecutable);
  if (binary !== undefined) return binary;
  throw new Error(
    named
      ? `REDIS_SERVER names ${named}, which is not an executable file`
      : 'redis-server is not installed: install the package redis-server (Debian, Ubuntu) or redis ' +
          '(Alpine, Fedora, Homebrew), or set REDIS_SERVER to its path',
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
