import { UnknownKeyError, type Envelopes } from '../../crypto/envelope.ts';
import type { Logger } from '../../observability/log.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';
import {
  MAX_AGE_MS,
  type PendingRevocation,
  type RevocationOutbox,
  type RevocationRequest,
} from './outbox.ts';

/** The maximum number of tokens in Redis; one more drops the one that has failed longest, which is due last. */
const MAX_ENTRIES = 50_000;

/** How long a token that this process cannot decrypt is left to processes with its secret, in milliseconds. */
const UNREADABLE_PAUSE_MS = 600_000;

const ADDED_AT_BYTES = 8;

/*
 * One sorted set. A member is `added at (8) · envelope`, its score is its due time. The outbox is a single key, so that the
 * scripts run on a cluster.
 */

/** KEYS outbox · ARGV member, time, maximum, lifetime: adds a member; gives the number of members dropped for it. */
const addScript = createScript(`
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
  if surplus <= 0 then return 0 end
  redis.call('ZPOPMAX', KEYS[1], surplus)
  return surplus`);

/** KEYS outbox · ARGV now, end of the lease, count: gives due members and postpones them to the end of the lease. */
const claimScript = createScript(`
  local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
  for _, member in ipairs(members) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
  return members`);

/**
 * An outbox in Redis, which all processes share. If a process is killed, another one claims its tokens once their leases
 * end. Tokens are encrypted. Operations throw `store_unavailable`.
 */
export function createRedisOutbox(deps: {
  redis: RedisConnection;
  envelopes: Envelopes;
  keyPrefix: string;
  leaseMs: number;
  clock: () => number;
  log: Logger;
}): RevocationOutbox {
  const { redis, envelopes, clock, log } = deps;
  const name = `${deps.keyPrefix}revocations`;

  const seal = ({ issuer = '', refreshToken }: RevocationRequest, addedAtMs: number): Buffer => {
    const addedAt = Buffer.alloc(ADDED_AT_BYTES);
    addedAt.writeBigUInt64BE(BigInt(addedAtMs));
    return Buffer.concat([addedAt, envelopes.seal(`${issuer}\n${refreshToken}`, contextOf(addedAtMs))]);
  };
  /** SECURITY: the envelope is bound to the time, so that nobody can change the age of a token. */
  const contextOf = (addedAtMs: number) => `${name} with issuer ${addedAtMs}`;
  /** Of a former version, whose envelopes hold the token alone. */
  const formerContextOf = (addedAtMs: number) => `${name} ${addedAtMs}`;

  const open = async (member: Buffer): Promise<PendingRevocation | undefined> => {
    if (member.length <= ADDED_AT_BYTES) return forget(member);
    const addedAtMs = Number(member.readBigUInt64BE());
    const request = readRequest(member.subarray(ADDED_AT_BYTES), addedAtMs);
    if (request !== undefined) return pendingOf(member, request, addedAtMs);
    // Another process may have the secret: the token stays until it is too old.
    const now = clock();
    if (Math.abs(now - addedAtMs) < MAX_AGE_MS) return postpone(member, now + UNREADABLE_PAUSE_MS);
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
  const readRequest = (envelope: Buffer, addedAtMs: number): RevocationRequest | undefined => {
    const text = unseal(envelope, contextOf(addedAtMs));
    if (text === undefined) {
      const refreshToken = unseal(envelope, formerContextOf(addedAtMs));
      return refreshToken === undefined ? undefined : { refreshToken, issuer: undefined };
    }
    const end = text.indexOf('\n');
    return { refreshToken: text.slice(end + 1), issuer: text.slice(0, end) || undefined };
  };
  const pendingOf = (member: Buffer, request: RevocationRequest, addedAtMs: number): PendingRevocation => ({
    ...request,
    addedAtMs,
    reschedule: (atMs) => postpone(member, atMs),
    remove: () => forget(member),
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
    async add(request) {
      const addedAtMs = clock();
      const member = seal(request, addedAtMs);
      const args = [member, addedAtMs + deps.leaseMs, MAX_ENTRIES, MAX_AGE_MS];
      const surplus = Number(await redis.evaluate('revocation_keep', addScript, [name], args));
      if (surplus > 0)
        log.error({ surplus }, 'the revocation queue is full; dropped refresh tokens without revoking them');
      return pendingOf(member, request, addedAtMs);
    },

    async claim(count) {
      const claimed: PendingRevocation[] = [];
      while (claimed.length < count) {
        const now = clock();
        const args = [now, now + deps.leaseMs, count - claimed.length];
        const reply = await redis.evaluate('revocation_take', claimScript, [name], args);
        const members = Array.isArray(reply) ? reply.filter((member) => Buffer.isBuffer(member)) : [];
        if (members.length === 0) break;
        const opened = await Promise.all(members.map(open));
        claimed.push(...opened.filter((pending) => pending !== undefined));
      }
      return claimed;
    },
  };
}
