import { UnknownKeyError, type Envelopes } from '../../crypto/envelope.ts';
import type { Logger } from '../../observability/log.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import { MAX_AGE_MS, type PendingRevocation, type RevocationOutbox } from './outbox.ts';

/** How many tokens Redis holds at most; the one that has waited longest is given up for one more. */
const MAX_KEPT = 50_000;

/** How long a token is left alone that this process cannot open, in milliseconds: another may have the secret. */
const UNREADABLE_PAUSE_MS = 600_000;

const SINCE_BYTES = 8;

/*
 * One sorted set: a member is `since (8) · envelope`, its score the time from which it may be taken. All of it is under
 * one key, so that it runs on a cluster, and is read by score, so that nothing is searched for.
 */

/** KEYS outbox · ARGV member, time, maximum, life: adds a member, and gives how many had to go for it. */
const keep = createScript(`
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
  if surplus <= 0 then return 0 end
  redis.call('ZPOPMAX', KEYS[1], surplus)
  return surplus`);

/** KEYS outbox · ARGV now, end of the lease, count: gives members whose time has come, and nobody else gets them. */
const take = createScript(`
  local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
  for _, member in ipairs(members) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
  return members`);

/**
 * An outbox in Redis, which all processes share and which outlives them: what one has begun and not ended, as when it was
 * killed, another takes when the lease is over. Tokens are sealed. Operations throw `store_unavailable`.
 */
export function createRedisOutbox(deps: {
  redis: RedisConnection;
  envelopes: Envelopes;
  keyPrefix: string;
  leaseMs: number;
  clock: () => number;
  log: Logger;
}): RevocationOutbox {
  const { redis, envelopes, leaseMs, clock, log } = deps;
  const name = `${deps.keyPrefix}revocations`;

  const seal = (refreshToken: string, sinceMs: number): Buffer => {
    const since = Buffer.alloc(SINCE_BYTES);
    since.writeBigUInt64BE(BigInt(sinceMs));
    return Buffer.concat([since, envelopes.seal(refreshToken, contextOf(sinceMs))]);
  };
  /** SECURITY: the time is bound to the token, so that no token can be made older or younger than it is. */
  const contextOf = (sinceMs: number) => `${name} ${sinceMs}`;

  const open = async (member: Buffer): Promise<PendingRevocation | undefined> => {
    if (member.length <= SINCE_BYTES) return forget(member);
    const sinceMs = Number(member.readBigUInt64BE());
    const refreshToken = unseal(member.subarray(SINCE_BYTES), contextOf(sinceMs));
    if (refreshToken !== undefined) return pendingOf(member, refreshToken, sinceMs);
    // Another process may have a secret that this one has not, or not yet: it is left to that until it is too old.
    const now = clock();
    if (Math.abs(now - sinceMs) < MAX_AGE_MS) return postpone(member, now + UNREADABLE_PAUSE_MS);
    log.warn(
      'cannot decrypt a queued refresh token, which stays unrevoked; its secret was removed from session.secrets',
    );
    return forget(member);
  };
  const unseal = (envelope: Buffer, context: string): string | undefined => {
    try {
      return envelopes.open(envelope, context);
    } catch (error) {
      if (error instanceof UnknownKeyError) return undefined;
      throw error;
    }
  };
  const pendingOf = (member: Buffer, refreshToken: string, sinceMs: number): PendingRevocation => ({
    refreshToken,
    sinceMs,
    putBack: (atMs) => postpone(member, atMs),
    forget: () => forget(member),
  });
  const postpone = async (member: Buffer, atMs: number) => {
    await redis.run('revocation_put_back', (client) => client.zadd(name, 'XX', atMs, member));
    return undefined;
  };
  const forget = async (member: Buffer) => {
    await redis.run('revocation_forget', (client) => client.zrem(name, member));
    return undefined;
  };

  return {
    async keep(refreshToken) {
      const sinceMs = clock();
      const member = seal(refreshToken, sinceMs);
      const args = [member, sinceMs + leaseMs, MAX_KEPT, MAX_AGE_MS];
      const surplus = Number(await redis.evaluate('revocation_keep', keep, [name], args));
      if (surplus > 0)
        log.error({ surplus }, 'the revocation queue is full; dropped refresh tokens without revoking them');
      return pendingOf(member, refreshToken, sinceMs);
    },

    async take(count) {
      const taken: PendingRevocation[] = [];
      while (taken.length < count) {
        const now = clock();
        const args = [now, now + leaseMs, count - taken.length];
        const reply = await redis.evaluate('revocation_take', take, [name], args);
        const members = Array.isArray(reply) ? reply.filter((member) => Buffer.isBuffer(member)) : [];
        if (members.length === 0) break;
        const opened = await Promise.all(members.map(open));
        taken.push(...opened.filter((pending) => pending !== undefined));
      }
      return taken;
    },
  };
}
