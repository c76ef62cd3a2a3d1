import type { BlindIndex } from '../../crypto/blind-index.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import { ownersOf, type Owner, type SessionData } from '../session.ts';

/** The session keys of each owner, in Redis. */
export type RedisIndex = {
  /**
   * Adds a session to the index of each of its owners, before its record is written. Entries expire at the absolute limit
   * of the session; the index expires with its last entry.
   */
  add(key: string, data: SessionData): Promise<void>;
  /** Marks the entries of a session whose record is written: an entry without a record is stale from now on. */
  confirm(key: string, data: SessionData): Promise<void>;
  /** Removes the entries of an ended session. */
  remove(key: string, data: SessionData): Promise<void>;
  /** The entries of an owner. Some may belong to expired sessions, or to sessions whose record is not written yet. */
  entries(owner: Owner): Promise<readonly IndexEntry[]>;
  /** Removes an entry without a record, unless it has been confirmed meanwhile. */
  removeStale(entry: IndexEntry): Promise<void>;
};

/** One session in the index of one owner. */
export type IndexEntry = { readonly index: string; readonly key: string; readonly score: string };

/*
 * The index of an owner is a sorted set: members are session keys, scores their ends. It is a single Redis key, so that the
 * scripts run on a cluster. The name of the key does not reveal the owner.
 */

/** KEYS index · ARGV now, session, end */
const addScript = createScript(`
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  local left = ARGV[3] - ARGV[1]
  if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end`);

/** KEYS index · ARGV session, score: removes the entry unless its score has changed. */
const removeStaleScript = createScript(`
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end`);

export function createRedisIndex(deps: {
  redis: RedisConnection;
  blindIndex: BlindIndex;
  keyPrefix: string;
  clock: () => number;
}): RedisIndex {
  const { redis, blindIndex, keyPrefix, clock } = deps;
  const keyOf = ({ kind }: Owner, name: string) => `${keyPrefix}${kind}:${name}`;
  const valuesOf = ({ kind, issuer, id }: Owner) => [kind, issuer, id];
  const currentIndexOf = (owner: Owner) => keyOf(owner, blindIndex.name(valuesOf(owner)));
  const allIndexesOf = (owner: Owner) => blindIndex.names(valuesOf(owner)).map((name) => keyOf(owner, name));

  const addToIndexes = async (key: string, data: SessionData, endsAtMs: number) => {
    const args = [clock(), key, endsAtMs];
    const indexes = ownersOf(data).map(currentIndexOf);
    await Promise.all(indexes.map((index) => redis.evaluate('index', addScript, [index], args)));
  };

  return {
    add: (key, data) => addToIndexes(key, data, data.absoluteExpiresAtMs),
    // Changes the score, so that a process that found the entry before the record existed cannot remove it.
    confirm: (key, data) => addToIndexes(key, data, data.absoluteExpiresAtMs + 1),

    async remove(key, data) {
      const indexes = ownersOf(data).flatMap(allIndexesOf);
      await Promise.all(indexes.map((index) => redis.run('index', (client) => client.zrem(index, key))));
    },

    async entries(owner) {
      const found = await Promise.all(
        allIndexesOf(owner).map(async (index) => {
          const reply = await redis.run('index', (client) =>
            client.zrangebyscore(index, clock(), '+inf', 'WITHSCORES'),
          );
          return pairsOf(reply).map(([key, score]) => ({ index, key, score }));
        }),
      );
      return found.flat();
    },

    async removeStale({ index, key, score }) {
      await redis.evaluate('index', removeStaleScript, [index], [key, score]);
    },
  };
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((item, at) => (at % 2 === 0 ? [[item, flat[at + 1] ?? '']] : []));
}
