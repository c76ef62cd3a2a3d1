import type { BlindIndex } from '../../../crypto/blind-index.ts';
import { createScript, type RedisConnection } from '../../../redis/connection.ts';
import { ownersOf, type Owner, type SessionData } from '../../session.ts';
import { comparePositions, entryName, parseEntryName, type Position } from '../position.ts';

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
  /**
   * The first entries of an owner after a position, at most `count`. Some may belong to expired sessions, or to sessions
   * whose record is not written yet.
   */
  entries(owner: Owner, count: number, after?: Position): Promise<readonly IndexEntry[]>;
  /** The number of entries of an owner. */
  count(owner: Owner): Promise<number>;
  /** Removes an entry without a record, unless it has been confirmed meanwhile. */
  removeStale(entry: IndexEntry): Promise<void>;
};

/** One session in the index of one owner. */
export type IndexEntry = Position & { readonly index: string; readonly key: string };

/*
 * The index of an owner is a sorted set: members are entry names, scores the ends of the sessions. It is a single Redis key,
 * so that the scripts run on a cluster. The name of the key does not reveal the owner.
 */

/** KEYS index · ARGV now, entry, end */
const addScript = createScript(`
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  local left = ARGV[3] - ARGV[1]
  if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end`);

/** KEYS index · ARGV entry, end: removes the entry unless its end has changed. */
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
    const args = [clock(), entryName(data.createdAtMs, key), endsAtMs];
    const indexes = ownersOf(data).map(currentIndexOf);
    await Promise.all(indexes.map((index) => redis.evaluate('index', addScript, [index], args)));
  };

  const entriesOfIndex = async (
    index: string,
    count: number,
    after: Position | undefined,
  ): Promise<IndexEntry[]> => {
    const fromMs = Math.max(clock(), after?.endsAtMs ?? 0);
    const found: IndexEntry[] = [];
    // Redis can begin at an end but not at a name: skips the entries of the same end up to the position.
    for (let offset = 0; found.length < count; offset += count) {
      const reply = await redis.run('index', (client) =>
        client.zrangebyscore(index, fromMs, '+inf', 'WITHSCORES', 'LIMIT', offset, count),
      );
      const entries = pairsOf(reply).map(([name, end]) => {
        return { index, name, key: parseEntryName(name).key, endsAtMs: Number(end) };
      });
      found.push(...entries.filter((entry) => after === undefined || comparePositions(entry, after) > 0));
      if (entries.length < count) break;
    }
    return found;
  };

  return {
    add: (key, data) => addToIndexes(key, data, data.absoluteExpiresAtMs),
    // Changes the score, so that a process that found the entry before the record existed cannot remove it.
    confirm: (key, data) => addToIndexes(key, data, data.absoluteExpiresAtMs + 1),

    async remove(key, data) {
      const indexes = ownersOf(data).flatMap(allIndexesOf);
      const name = entryName(data.createdAtMs, key);
      await Promise.all(indexes.map((index) => redis.run('index', (client) => client.zrem(index, name))));
    },

    async entries(owner, count, after) {
      const found = await Promise.all(
        allIndexesOf(owner).map((index) => entriesOfIndex(index, count, after)),
      );
      const byName = new Map(found.flat().map((entry) => [entry.name, entry]));
      return [...byName.values()].toSorted(comparePositions).slice(0, count);
    },

    async count(owner) {
      const counts = await Promise.all(
        allIndexesOf(owner).map((index) =>
          redis.run('index', (client) => client.zcount(index, clock(), '+inf')),
        ),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },

    async removeStale({ index, name, endsAtMs }) {
      await redis.evaluate('index', removeStaleScript, [index], [name, endsAtMs]);
    },
  };
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((item, at) => (at % 2 === 0 ? [[item, flat[at + 1] ?? '']] : []));
}
