import type { BlindIndex } from '../../crypto/blind-index.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import { ownersOf, type Owner, type SessionData } from '../session.ts';

/** Which sessions an owner has, in Redis. */
export type RedisIndex = {
  /**
   * Enters a session that is about to be written under each of its owners. Entries lapse with the absolute limit of the
   * session, and the keys they are in with the last of them.
   */
  enter(key: string, data: SessionData): Promise<void>;
  /** Enters it once more when it has been written: from now on an entry without a record is that of an ended session. */
  confirm(key: string, data: SessionData): Promise<void>;
  /** Takes a session out that has ended. */
  leave(key: string, data: SessionData): Promise<void>;
  /** The entries of an owner. Some may be of sessions that have ended by themselves, or are about to be written. */
  entries(owner: Owner): Promise<readonly Entry[]>;
  /** Takes out the entry of a session that has no record, unless it has been confirmed meanwhile. */
  strike(entry: Entry): Promise<void>;
};

/** The entry of one session in one index. */
export type Entry = { readonly index: string; readonly key: string; readonly score: string };

/*
 * An index is a sorted set of session keys by the time of their end: one key of Redis for each owner, so that it runs on a
 * cluster. Its name says nothing about the owner.
 */

/** KEYS index · ARGV now, session, end */
const enter = createScript(`
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  local left = ARGV[3] - ARGV[1]
  if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end`);

/** KEYS index · ARGV session, score: an entry that has changed since it was read stays. */
const strike = createScript(`
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end`);

export function createRedisIndex(deps: {
  redis: RedisConnection;
  blindIndex: BlindIndex;
  keyPrefix: string;
  clock: () => number;
}): RedisIndex {
  const { redis, blindIndex, keyPrefix, clock } = deps;
  const keyOf = ({ kind }: Owner, name: string) => `${keyPrefix}${kind}:${name}`;
  const aboutOf = ({ kind, issuer, id }: Owner) => [kind, issuer, id];
  const writtenAt = (owner: Owner) => keyOf(owner, blindIndex.name(aboutOf(owner)));
  const readAt = (owner: Owner) => blindIndex.names(aboutOf(owner)).map((name) => keyOf(owner, name));

  const put = async (key: string, data: SessionData, endsAtMs: number) => {
    const args = [clock(), key, endsAtMs];
    const indexes = ownersOf(data).map(writtenAt);
    await Promise.all(indexes.map((index) => redis.evaluate('index', enter, [index], args)));
  };

  return {
    enter: (key, data) => put(key, data, data.absoluteExpiresAtMs),
    // The score is another one now: whoever has seen the entry before the record cannot strike it any more.
    confirm: (key, data) => put(key, data, data.absoluteExpiresAtMs + 1),

    async leave(key, data) {
      const indexes = ownersOf(data).flatMap(readAt);
      await Promise.all(indexes.map((index) => redis.run('index', (client) => client.zrem(index, key))));
    },

    async entries(owner) {
      const found = await Promise.all(
        readAt(owner).map(async (index) => {
          const reply = await redis.run('index', (client) =>
            client.zrangebyscore(index, clock(), '+inf', 'WITHSCORES'),
          );
          return pairsOf(reply).map(([key, score]) => ({ index, key, score }));
        }),
      );
      return found.flat();
    },

    async strike({ index, key, score }) {
      await redis.evaluate('index', strike, [index], [key, score]);
    },
  };
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((item, at) => (at % 2 === 0 ? [[item, flat[at + 1] ?? '']] : []));
}
