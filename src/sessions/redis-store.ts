import type { Logger } from '../log.ts';
import { openChannel } from '../redis/channel.ts';
import { createScript, type RedisConnection } from '../redis/connection.ts';
import type { RecordCodec } from './record.ts';
import { sessionEndsAtMs, type Session, type StoredSession } from './session.ts';
import type { ReplaceResult, SessionChange, SessionStore } from './store.ts';

type RedisStoreDeps = {
  redis: RedisConnection;
  codec: RecordCodec;
  keyPrefix: string;
  clock: () => number;
  log: Logger;
};

/*
 * A record is a hash: `v` version, `e` envelope, `i` idle limit, `a` end (milliseconds since the epoch; Redis knows no
 * claims and no tokens). Its TTL is what is left of the nearer of the two. Every script touches one key, so that it runs
 * on a cluster, and announces what it did on the change channel in the same step.
 */
const setTtl = `
  local function expire(key, now)
    local i, a = tonumber(redis.call('HGET', key, 'i')), tonumber(redis.call('HGET', key, 'a'))
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, math.min(i, a) - now)))
  end`;

/** KEYS record · ARGV now, envelope, idle limit, end */
const create = createScript(`${setTtl}
  redis.call('HSET', KEYS[1], 'v', 1, 'e', ARGV[2], 'i', ARGV[3], 'a', ARGV[4])
  expire(KEYS[1], tonumber(ARGV[1]))
  return 1`);

/** KEYS record · ARGV now, envelope, end, expected version, channel, name */
const replace = createScript(`${setTtl}
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version then return 'gone' end
  if version ~= ARGV[4] then return 'conflict' end
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
  redis.call('HSET', KEYS[1], 'e', ARGV[2], 'a', ARGV[3])
  expire(KEYS[1], tonumber(ARGV[1]))
  redis.call('PUBLISH', ARGV[5], 'changed ' .. ARGV[6] .. ' ' .. version)
  return 'replaced'`);

/** KEYS record · ARGV now, idle limit */
const touch = createScript(`${setTtl}
  local idle = redis.call('HGET', KEYS[1], 'i')
  if not idle then return 0 end
  if tonumber(ARGV[2]) > tonumber(idle) then
    redis.call('HSET', KEYS[1], 'i', ARGV[2])
    expire(KEYS[1], tonumber(ARGV[1]))
  end
  return 1`);

/** KEYS record · ARGV channel, name */
const remove = createScript(`
  local record = redis.call('HMGET', KEYS[1], 'v', 'e', 'i')
  if not record[1] then return record end
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[1], 'ended ' .. ARGV[2] .. ' ' .. record[1])
  return record`);

/** Sessions in Redis, sealed, under the hash of their ticket. */
export function createRedisStore(deps: RedisStoreDeps): SessionStore {
  const { redis, codec, keyPrefix, clock, log } = deps;
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const recordKey = (key: string) => `${keyPrefix}session:${key}`;
  const channel = openChannel({
    redis,
    name: `${keyPrefix}changes`,
    log,
    onMessage: (message) => announce(parseChange(message)),
    onGap: () => announce(undefined),
  });

  const readRecord = (
    key: string,
    [version, envelope, idle]: readonly unknown[],
  ): StoredSession | undefined => {
    if (!Buffer.isBuffer(envelope)) return undefined;
    const session = codec.decode(envelope, recordKey(key));
    if (session === undefined) {
      log.warn(
        'a session record could not be opened: a removed secret, or a value that was not written here',
      );
      return undefined;
    }
    return { key, session, version: Number(version), idleExpiresAtMs: Number(idle) };
  };

  return {
    async load(key) {
      const fields = await redis.run('load', (client) => client.hmgetBuffer(recordKey(key), 'v', 'e', 'i'));
      return readRecord(key, fields);
    },

    async create(key, session, idleExpiresAtMs) {
      const name = recordKey(key);
      const args = [clock(), codec.encode(session, name), idleExpiresAtMs, sessionEndsAtMs(session)];
      await redis.evaluate('create', create, [name], args);
    },

    async replace(key, session: Session, expectedVersion) {
      const name = recordKey(key);
      const envelope = codec.encode(session, name);
      const args = [clock(), envelope, sessionEndsAtMs(session), expectedVersion, channel.name, key];
      return readReplaceResult(await redis.evaluate('replace', replace, [name], args));
    },

    async touch(key, idleExpiresAtMs) {
      return (await redis.evaluate('touch', touch, [recordKey(key)], [clock(), idleExpiresAtMs])) === 1;
    },

    async remove(key) {
      const fields = await redis.evaluate('remove', remove, [recordKey(key)], [channel.name, key]);
      return readRecord(key, Array.isArray(fields) ? fields : []);
    },

    hearsChanges: channel.isLive,
    onChange: (listener) => void listeners.push(listener),
    async ping() {
      await redis.run('ping', (client) => client.ping());
    },
    wasReachable: redis.wasReachable,
    async close() {
      channel.close();
      await redis.close();
    },
  };
}

function parseChange(message: string): SessionChange | undefined {
  const [kind, key, version] = message.split(' ');
  if ((kind !== 'changed' && kind !== 'ended') || key === undefined) return undefined;
  return { kind, key, version: Number(version) };
}

function readReplaceResult(answer: unknown): ReplaceResult {
  const reply = String(answer);
  if (reply === 'replaced' || reply === 'conflict' || reply === 'gone') return reply;
  throw new Error('the replace script gave an answer it does not have');
}
