import type { Redis } from 'ioredis';

/** The command that reads a key whole, by the key's type. */
const READERS: Record<string, (key: Buffer) => [name: string, ...args: (string | Buffer)[]]> = {
  string: (key) => ['GET', key],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  stream: (key) => ['XRANGE', key, '-', '+'],
};

/**
 * The whole content of a Redis as latin1 text: one line per key (`db0 string ttl=60000ms KEY`), then its values, one
 * per line, byte for byte.
 *
 * Leaves the connection on database 0.
 */
export async function dumpRedis(client: Redis): Promise<string> {
  const lines: string[] = [];
  for (const database of await databases(client)) {
    await client.select(database);
    for (const key of await keys(client)) lines.push(...(await dumpKey(client, database, key)));
  }
  await client.select(0);
  return lines.join('\n');
}

async function databases(client: Redis): Promise<number[]> {
  const keyspace = await client.info('keyspace');
  return [...keyspace.matchAll(/^db(\d+):/gm)].map(([, number]) => Number(number));
}

async function keys(client: Redis): Promise<Buffer[]> {
  const found: Buffer[] = [];
  let cursor = '0';
  do {
    const [next, page] = (await client.scanBuffer(cursor, 'COUNT', 1000)) as unknown as [Buffer, Buffer[]];
    cursor = next.toString();
    found.push(...page);
  } while (cursor !== '0');
  return found;
}

async function dumpKey(client: Redis, database: number, key: Buffer): Promise<string[]> {
  const type = await client.type(key);
  if (type === 'none') return []; // It expired after the scan.
  const ttl = await client.pttl(key);
  const reader = READERS[type];
  if (reader === undefined) throw new Error(`cannot dump a Redis key of type ${type}`);
  const [name, ...args] = reader(key);
  const values = flatten(await client.callBuffer(name, ...args));
  return [`db${database} ${type} ttl=${ttl}ms ${key.toString('latin1')}`, ...values];
}

function flatten(reply: unknown): string[] {
  if (Array.isArray(reply)) return reply.flatMap(flatten);
  if (reply instanceof Map) return [...reply].flatMap(flatten);
  if (Buffer.isBuffer(reply)) return [reply.toString('latin1')];
  if (typeof reply === 'string' || typeof reply === 'number') return [`${reply}`];
  return [];
}
