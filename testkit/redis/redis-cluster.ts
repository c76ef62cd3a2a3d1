import { withTimeout } from '../../src/concurrency/with-timeout.ts';
import { freePort } from '../network/free-port.ts';
import { GATEWAY_USER, type RedisServer, startRedis } from './redis-server.ts';
import { until } from '../until.ts';

/** A Redis Cluster on loopback: three primaries that share the slots, each with an optional replica. */
export type RedisCluster = {
  /** `redis+cluster://127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT`: the primaries of the start. */
  readonly url: string;
  /** The primaries of the start, in the order of their slots. */
  readonly primaries: readonly [RedisServer, RedisServer, RedisServer];
  /** Returns the primary of a key once all running nodes agree on it. */
  ownerOf(key: string): Promise<RedisServer>;
  /**
   * Moves the slot of a key, with all its keys, to another primary while both serve, as `redis-cli --cluster reshard`
   * does. `midway` is called when the keys have moved and the slot is still open on both sides.
   */
  move(key: string, to: RedisServer, midway?: () => Promise<void>): Promise<void>;
  /** Removes a primary without a replica while nothing is written: its keys move to another one, and all nodes forget it. */
  retire(server: RedisServer, heir: RedisServer): Promise<void>;
  /** Resolves when a replica has received all earlier writes of its primary. */
  replicated(primary: RedisServer): Promise<void>;
  /** The keys of all primaries that match a pattern. */
  keys(pattern: string): Promise<string[]>;
  /** Removes every key. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

type Node = { readonly server: RedisServer; readonly busPort: number; readonly id: string };
type Command = Parameters<RedisServer['command']>;

const SLOTS = 16_384;

/** Starts the servers, makes a cluster of them, and waits until it serves and each replica has its copy. */
export async function startRedisCluster({ replicas = false } = {}): Promise<RedisCluster> {
  const leaders = await Promise.all([startNode(), startNode(), startNode()]);
  const followers = replicas ? await Promise.all(leaders.map(startNode)) : [];
  await introduce(leaders, followers);
  const nodes = [...leaders, ...followers];
  const servers = nodes.map(({ server }) => server);

  /** Asks every server; omits those that are down or frozen or that return an error. */
  const askAll = async (...command: Command) => {
    const ask = async (server: RedisServer) => server.command(...command);
    const asked = servers.map(async (server) => ({ server, reply: await inTime(ask(server)) }));
    const settled = await Promise.allSettled(asked);
    return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  };
  const askPrimaries = async (...command: Command) => {
    const roles = await askAll('ROLE');
    const primaries = roles.filter(({ reply }) => Array.isArray(reply) && reply[0] === 'master');
    return Promise.all(primaries.map(({ server }) => inTime(server.command(...command))));
  };
  const idOf = (server: RedisServer) => nodes.find((node) => node.server === server)?.id ?? '';
  const slotOf = async (key: string) => Number((await askAll('CLUSTER', 'KEYSLOT', key))[0]?.reply);

  const ownerOf = (slot: number) =>
    until(`all agree on the owner of slot ${slot}`, async () => {
      const tables = await askAll('CLUSTER', 'SLOTS');
      // A removed server knows no primary.
      const ports = new Set(tables.flatMap(({ reply }) => portIn(reply as SlotRange[], slot) ?? []));
      return ports.size === 1 ? servers.find(({ port }) => ports.has(port)) : undefined;
    });

  const moveSlot = async (slot: number, to: RedisServer, midway?: () => Promise<void>) => {
    const from = await ownerOf(slot);
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', idOf(from));
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', idOf(to));
    for (;;) {
      const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
      if (keys.length === 0) break;
      await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
    }
    await midway?.();
    // The new owner must know first.
    await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', idOf(to));
    await askAll('CLUSTER', 'SETSLOT', slot, 'NODE', idOf(to));
  };

  return {
    url: `redis+cluster://${GATEWAY_USER}@${leaders.map(({ server }) => `127.0.0.1:${server.port}`).join()}`,
    primaries: [leaders[0].server, leaders[1].server, leaders[2].server],
    ownerOf: async (key) => ownerOf(await slotOf(key)),
    move: async (key, to, midway) => moveSlot(await slotOf(key), to, midway),

    retire: async (server, heir) => {
      for (const key of (await server.command('KEYS', '*')) as string[]) {
        await moveSlot(await slotOf(key), heir);
      }
      const table = (await server.command('CLUSTER', 'SLOTS')) as SlotRange[];
      for (const [from, to] of table.filter(([, , [, port]]) => port === server.port)) {
        await heir.command('CLUSTER', 'DELSLOTSRANGE', from, to);
        await heir.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
      }
      // The later claim wins.
      await heir.command('CLUSTER', 'BUMPEPOCH');
      for (const [slot] of table) await ownerOf(slot);
      await askAll('CLUSTER', 'FORGET', idOf(server));
      await server.command('CLUSTER', 'RESET');
    },

    replicated: async (primary) => {
      const [, offset] = (await primary.command('ROLE')) as PrimaryRole;
      await until('a replica knows what its primary was told', async () => {
        const roles = (await askAll('ROLE')).map(({ reply }) => reply as PrimaryRole | ReplicaRole);
        const knows = (role: PrimaryRole | ReplicaRole) =>
          role[0] === 'slave' && role[2] === primary.port && role[4] >= offset;
        return roles.some(knows) || undefined;
      });
    },

    keys: async (pattern) => ((await askPrimaries('KEYS', pattern)) as string[][]).flat(),
    flush: async () => void (await askPrimaries('FLUSHALL')),
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/** Fails without a reply within a second. */
async function inTime<Reply>(reply: Promise<Reply>): Promise<Reply> {
  const received = await withTimeout(reply, 1_000);
  if (received === undefined) throw new Error('no reply arrived');
  return received;
}

async function startNode(): Promise<Node> {
  const busPort = await freePort();
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`];
  const quick = ['--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0'];
  const server = await startRedis({ args: [...cluster, ...quick] });
  return { server, busPort, id: String(await server.command('CLUSTER', 'MYID')) };
}

/** Distributes the slots among the primaries, connects all nodes, and gives each primary its replica. */
async function introduce(leaders: readonly Node[], followers: readonly Node[]): Promise<void> {
  const nodes = [...leaders, ...followers];
  const [first, ...others] = nodes;
  for (const [at, { server }] of leaders.entries()) {
    const [from = 0, to = 0] = [at, at + 1].map((part) => Math.floor((SLOTS * part) / leaders.length));
    await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
  }
  for (const [at, { server }] of nodes.entries()) await server.command('CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
  for (const { server, busPort } of others) {
    await first?.server.command('CLUSTER', 'MEET', '127.0.0.1', server.port, busPort);
  }
  const all = (line: string) =>
    until(`all say ${line}`, async () => {
      const infos = await Promise.all(nodes.map(({ server }) => server.command('CLUSTER', 'INFO')));
      return infos.every((info) => String(info).includes(`${line}\r\n`)) || undefined;
    });
  await all(`cluster_known_nodes:${nodes.length}`);
  for (const [at, { server }] of followers.entries()) {
    await server.command('CLUSTER', 'REPLICATE', leaders[at]?.id ?? '');
  }
  await all('cluster_state:ok');
  await until('every replica has its copy', async () => {
    const roles = await Promise.all(followers.map(({ server }) => server.command('ROLE')));
    return roles.every((role) => Array.isArray(role) && role[3] === 'connected') || undefined;
  });
}

/** Replies to `ROLE`. The offsets count the bytes of the replication stream. */
type PrimaryRole = [name: 'master', offset: number, replicas: unknown];
type ReplicaRole = [name: 'slave', host: string, port: number, state: string, offset: number];

/** A line of `CLUSTER SLOTS`: the first and the last slot, then the nodes, the primary before its replicas. */
type SlotRange = [first: number, last: number, primary: [host: string, port: number], ...rest: unknown[]];

function portIn(table: readonly SlotRange[], slot: number): number | undefined {
  return table.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
}
