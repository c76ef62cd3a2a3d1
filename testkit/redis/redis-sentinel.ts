import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startChildProcess } from '../processes/child-process.ts';
import { freePort } from '../network/free-port.ts';
import { findRedisServer, GATEWAY_USER, type RedisServer, startRedis } from './redis-server.ts';
import { until } from '../until.ts';

/** One primary with its replicas and three Sentinels, all as real processes. */
export type RedisSentinel = {
  /** `redis+sentinel://USER@127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT/mymaster`. */
  readonly url: string;
  /** The servers; the primary of the start comes first. */
  readonly servers: readonly RedisServer[];
  /** The Sentinels, in the order of the URL. */
  readonly sentinels: readonly Sentinel[];
  /** The primary that all responding Sentinels agree on, and that none considers down. */
  primary(): Promise<RedisServer>;
  /** Resolves with the primary when a replica has received all its earlier writes. */
  replicated(): Promise<RedisServer>;
  /** Makes a Sentinel promote a replica, as an operator does. */
  failOver(): Promise<void>;
  /** The keys of the primary that match a pattern. */
  keys(pattern: string): Promise<string[]>;
  /** Removes every key. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

/** One Sentinel. */
export type Sentinel = {
  readonly port: number;
  /** Returns its view of the primary and the other Sentinels (`SENTINEL MASTER`); fails while it is frozen. */
  look(): Promise<Record<string, string | undefined>>;
  /** Sends `SENTINEL FAILOVER`. */
  failOver(): Promise<void>;
  /** Freezes the process (SIGSTOP): it accepts connections and replies to nothing. */
  pause(): void;
  /** Thaws the process (SIGCONT). */
  resume(): void;
  close(): Promise<void>;
};

const NAME = 'mymaster';
const SENTINELS = 3;
/** A replica gets its first copy without a delay. */
const QUICK = ['--repl-diskless-sync-delay', '0'];

/** Starts them, and waits until all know each other and each replica has its copy. */
export async function startRedisSentinel({
  replicas = 1,
  sentinelPassword,
}: { replicas?: number; sentinelPassword?: string } = {}): Promise<RedisSentinel> {
  const first = await startRedis({ args: QUICK });
  const following = ['--replicaof', '127.0.0.1', `${first.port}`];
  const others = Array.from({ length: replicas }, () => startRedis({ args: [...QUICK, ...following] }));
  const servers = [first, ...(await Promise.all(others))];
  const sentinels = await Promise.all(
    Array.from({ length: SENTINELS }, () => startSentinel(first.port, sentinelPassword)),
  );

  const primary = () =>
    until('the Sentinels agree on a primary', async () => {
      const seen = await Promise.all(sentinels.map((each) => each.look().catch(() => undefined)));
      const named = seen.filter((look) => look !== undefined);
      // A server that may be down has further flags; one that is being promoted still reports itself as a replica.
      const isSure = named.every((look) => look['flags'] === 'master' && look['role-reported'] === 'master');
      const ports = new Set(named.map((look) => Number(look['port'])));
      return isSure && ports.size === 1 ? servers.find(({ port }) => ports.has(port)) : undefined;
    });

  await until('every replica has its copy', async () => {
    const roles = await Promise.all(servers.slice(1).map((server) => server.command('ROLE')));
    return roles.every((role) => Array.isArray(role) && role[3] === 'connected') || undefined;
  });
  await until('the Sentinels know each other and the replicas', async () => {
    const looks = await Promise.all(sentinels.map((sentinel) => sentinel.look()));
    const isComplete = (look: Record<string, string | undefined>) =>
      Number(look['num-other-sentinels']) === SENTINELS - 1 && Number(look['num-slaves']) === replicas;
    return looks.every(isComplete) || undefined;
  });

  return {
    url: `redis+sentinel://${GATEWAY_USER}@${sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/${NAME}`,
    servers,
    sentinels,
    primary,
    replicated: () =>
      until('a replica knows what the primary was told', async () => {
        const server = await primary();
        // WAIT covers the writes of its own connection; earlier writes of others were replicated before them.
        await server.command('SET', 'marker', 1, 'PX', 1);
        return Number(await server.command('WAIT', 1, 1_000)) > 0 ? server : undefined;
      }),
    failOver: () =>
      // A Sentinel returns an error while the replica to promote still synchronizes after an earlier failover.
      until('a Sentinel begins the failover', async () =>
        sentinels[0]?.failOver().then(
          () => true,
          () => undefined,
        ),
      ).then(() => undefined),
    keys: async (pattern) => (await (await primary()).command('KEYS', pattern)) as string[],
    flush: async () => void (await (await primary()).command('FLUSHALL')),
    close: async () => {
      await Promise.all([...sentinels, ...servers].map((each) => each.close()));
    },
  };
}

async function startSentinel(primaryPort: number, password: string | undefined): Promise<Sentinel> {
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-sentinel-'));
  const port = await freePort();
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 3000`,
    ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
  ];
  // A Sentinel stores its state in its configuration file.
  const file = join(directory, 'sentinel.conf');
  await writeFile(file, `${settings.join('\n')}\n`);
  const child = startChildProcess(findRedisServer(), [file, '--sentinel']);
  await child.waitForOutput((text) => text.includes('+monitor master') || undefined);
  const client = new Redis(port, '127.0.0.1', {
    commandTimeout: 500,
    ...(password !== undefined && { password }),
  }).on('error', () => {});

  return {
    port,
    look: async () => {
      const reply = await client.call('SENTINEL', 'MASTER', NAME);
      const fields = Array.isArray(reply) ? (reply as string[]) : [];
      return Object.fromEntries(fields.flatMap((field, at) => (at % 2 ? [] : [[field, fields[at + 1]]])));
    },
    failOver: async () => void (await client.call('SENTINEL', 'FAILOVER', NAME)),
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    close: async () => {
      client.disconnect();
      child.signal('SIGCONT');
      await child.terminate();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
