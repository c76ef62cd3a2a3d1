import type { Redis } from 'ioredis';
import type { Logger } from '../observability/log.ts';
import type { RedisClient } from './client.ts';
import type { RedisConnection } from './connection.ts';

/** Names of keys after `session.keyPrefix`; those that end with a colon begin the names of many keys. */
export const REDIS_KEYS = [
  'session:',
  'subject:',
  'sid:',
  'note:',
  'generation',
  'keys',
  'lock:',
  'revocations',
  'rate:',
  'turn:',
  'token:',
] as const;

/** Names of channels after `session.keyPrefix`, each with a message that its listeners ignore. */
export const REDIS_CHANNELS = { changes: 'changed check 0', unlocked: 'check' } as const;

/**
 * Each command that the gateway sends, or that its scripts call, with arguments that change nothing. Redis checks the
 * rights, and whether it accepts writes, before it looks at the arguments.
 */
const probes: Readonly<Record<string, (key: string) => readonly string[]>> = {
  ping: () => [],
  time: () => [],
  scan: () => ['0', 'COUNT', '1'],
  eval: () => ['return 1', '0'],
  evalsha: () => ['0'.repeat(40), '0'],
  exists: (key) => [key],
  get: (key) => [key],
  set: (key) => [key, '', 'XX', 'PX', '1'],
  del: (key) => [key],
  pttl: (key) => [key],
  pexpire: (key) => [key, '1'],
  hget: (key) => [key, 'check'],
  hdel: (key) => [key, 'check'],
  hmget: (key) => [key, 'check'],
  // Both are malformed, because a valid one would create the key.
  hset: (key) => [key, 'check', 'check', 'check'],
  hincrby: (key) => [key, 'check', 'check'],
  zadd: (key) => [key, 'XX', '0', 'check'],
  zcard: (key) => [key],
  zcount: (key) => [key, '0', '0'],
  zscore: (key) => [key, 'check'],
  zrangebyscore: (key) => [key, '0', '0'],
  zrem: (key) => [key, 'check'],
  zremrangebyscore: (key) => [key, '0', '0'],
  zpopmax: (key) => [key],
};

/** The commands that the Redis user needs, `subscribe`, and `info`, by which the client waits for a server that loads. */
export const REDIS_COMMANDS: readonly string[] = [...Object.keys(probes), 'publish', 'subscribe', 'info'];

/** The further commands that the client of a cluster needs. */
export const CLUSTER_COMMANDS: readonly string[] = ['asking', 'cluster|info', 'cluster|slots'];

/** The smallest rights of a Redis user on any deployment, in the syntax of `ACL SETUSER`. */
export function minimalAcl(keyPrefix: string): string {
  const commands = [...REDIS_COMMANDS, ...CLUSTER_COMMANDS].map((command) => `+${command}`).toSorted();
  return `~${keyPrefix}* &${keyPrefix}* -@all ${commands.join(' ')}`;
}

/** The missing rights of a Redis user, and the commands that Redis rejects for every user. */
export type Rights = {
  /** Missing rights, in the syntax of `ACL SETUSER`. */
  readonly missing: readonly string[];
  /** The first other refusal, such as `READONLY …`, with the command. */
  readonly refusal: string | undefined;
};

type Refusal = { readonly missing: string } | { readonly refusal: string };

/**
 * Tries every command, key and channel that the gateway uses, and changes nothing. Throws `store_unavailable` if Redis
 * cannot be reached.
 */
export async function testRights(redis: RedisConnection, keyPrefix: string): Promise<Rights> {
  const attempt = (command: string, args: readonly string[], resource: string) =>
    redis.run('rights', (client) => refusalOf(send(client, command, args), command, resource));
  const names = REDIS_KEYS.map((name) => `${keyPrefix}${name}${name.endsWith(':') ? 'check' : ''}`);
  const channels = Object.entries(REDIS_CHANNELS).map(([name, message]) => ({
    channel: `${keyPrefix}${name}`,
    message,
  }));
  const [key = ''] = names;

  const refusals = await Promise.all([
    ...Object.entries(probes).map(([command, argsFor]) => attempt(command, argsFor(key), `~${key}`)),
    attempt('info', [], ''),
    // A key of another type than these commands expect is refused only after the rights to it have been checked.
    ...names.flatMap((name) => [
      attempt('zrem', [name, 'check'], `~${name}`),
      attempt('zcard', [name], `~${name}`),
    ]),
    ...channels.map(({ channel, message }) => attempt('publish', [channel, message], `&${channel}`)),
    ...channels.map(({ channel }) => trySubscription(redis, channel)),
  ]);
  const found = refusals.filter((refusal) => refusal !== undefined);
  return {
    missing: [...new Set(found.flatMap((one) => ('missing' in one ? [one.missing] : [])))],
    refusal: found.flatMap((one) => ('refusal' in one ? [one.refusal] : []))[0],
  };
}

async function send(client: RedisClient, command: string, args: readonly string[]): Promise<unknown> {
  return client.call(command, [...args]);
}

async function trySubscription(redis: RedisConnection, channel: string): Promise<Refusal | undefined> {
  const subscriber: Redis | undefined = redis.openSubscriber(0);
  if (subscriber === undefined) return { refusal: 'subscribe: no node of the cluster is known' };
  subscriber.on('error', () => undefined);
  try {
    return await refusalOf(subscriber.subscribe(channel), 'subscribe', `&${channel}`);
  } catch (error) {
    return { refusal: `subscribe: ${error instanceof Error ? error.message : 'no reply'}` };
  } finally {
    subscriber.disconnect();
  }
}

/** Replies to what the probes lack on purpose: a valid argument, a known script, a key of the right type. */
const EXPECTED = /^(ERR (?!unknown command)|WRONGTYPE|NOSCRIPT)/;

/** Returns the error with which Redis rejects a command, or undefined. Rejects if there is no reply. */
async function refusalOf(
  reply: Promise<unknown>,
  command: string,
  resource: string,
): Promise<Refusal | undefined> {
  try {
    await reply;
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ReplyError') throw error;
    const { message } = error;
    if (EXPECTED.test(message)) return undefined;
    if (!message.startsWith('NOPERM')) return { refusal: `${command}: ${message}` };
    return { missing: / the '[^']+' command/.test(message) ? `+${command}` : resource };
  }
}

/**
 * Tests the rights of the gateway's Redis user until they have been complete once. Gives the missing ones, and logs them
 * when they change. Throws `store_unavailable`.
 */
export function createRightsCheck(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  log: Logger;
}): () => Promise<readonly string[]> {
  const { redis, keyPrefix, log } = deps;
  let isComplete = false;
  let logged = '';
  return async () => {
    if (isComplete) return [];
    const missing = (await testRights(redis, keyPrefix)).missing.filter((right) => right !== '+info');
    isComplete = missing.length === 0;
    const text = missing.join(' ');
    if (text !== '' && text !== logged)
      log.error(
        { missing },
        'the Redis user lacks rights that the gateway needs; grant them with ACL SETUSER',
      );
    logged = text;
    return missing;
  };
}
