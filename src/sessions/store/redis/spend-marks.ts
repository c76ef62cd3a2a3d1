import { createScript, type RedisConnection } from '../../../redis/connection.ts';
import type { MarkResult, Sending, SpendMark } from '../spend-mark.ts';

/** Spend marks in the records of sessions. */
export type RedisSpendMarks = {
  /** Marks a record unless it has changed, or bears the mark of another owner than `mark.owner`, unless that is the mark of `mark.over` and has ended. */
  write(recordKey: string, mark: SpendMark): Promise<MarkResult>;
  /** Removes a mark, if it is still the mark of this owner. An answered sending no longer counts. */
  remove(recordKey: string, owner: string, sending: Sending): Promise<void>;
  /** The field with the unanswered sendings of a record; empty if there are none. */
  unanswered(recordKey: string): Promise<string>;
};

/**
 * KEYS record · ARGV expected version, owner, lifetime, earlier owner, allowed unanswered sendings
 *
 * The mark is the field `m` of the record: owner and end, on the clock of Redis, because the clocks of the processes may
 * differ. The mark of another owner is written once more as it is: that reply shows that Redis takes writes. The field `u` has
 * the number of sendings of the refresh token without a response, and the time of the last. The mark counts its own sending
 * before it happens: a process that is killed cannot count afterwards. After a failover to a Redis whose clock is behind, that
 * time may be in the future, and counts as now.
 */
const writeScript = createScript(`
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version then return 'gone' end
  if version ~= ARGV[1] then return 'conflict' end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local owner, ends = string.match(redis.call('HGET', KEYS[1], 'm') or '', '^(%S+) (%d+)$')
  local isOver = owner == ARGV[4] and tonumber(ends) <= now
  if owner and owner ~= ARGV[2] and not isOver then
    redis.call('HSET', KEYS[1], 'm', owner .. ' ' .. ends)
    return {owner, string.format('%.0f', ends - now)}
  end
  local count, last = string.match(redis.call('HGET', KEYS[1], 'u') or '', '^(%d+) (%d+)$')
  count = tonumber(count or 0)
  if count > tonumber(ARGV[5]) then
    return {'unanswered', count, string.format('%.0f', math.max(0, now - last))}
  end
  redis.call('HSET', KEYS[1], 'm', ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[3]),
    'u', count + 1 .. ' ' .. string.format('%.0f', now))
  return 'marked'`);

/** KEYS record · ARGV owner, sending */
const removeScript = createScript(`
  local mark = redis.call('HGET', KEYS[1], 'm')
  if not mark or string.match(mark, '^%S+') ~= ARGV[1] then return 0 end
  redis.call('HDEL', KEYS[1], 'm')
  if ARGV[2] ~= 'answered' then return 1 end
  local count, last = string.match(redis.call('HGET', KEYS[1], 'u') or '', '^(%d+) (%d+)$')
  if tonumber(count or 0) > 1 then redis.call('HSET', KEYS[1], 'u', count - 1 .. ' ' .. last)
  else redis.call('HDEL', KEYS[1], 'u') end
  return 1`);

export function createRedisSpendMarks({ redis }: { redis: RedisConnection }): RedisSpendMarks {
  return {
    async write(recordKey, { version, owner, lifetimeMs, over = '', unanswered }) {
      const args = [version, owner, lifetimeMs, over, unanswered];
      return readResult(await redis.evaluate('spend_mark', writeScript, [recordKey], args));
    },
    async remove(recordKey, owner, sending) {
      await redis.evaluate('spend_unmark', removeScript, [recordKey], [owner, sending]);
    },
    async unanswered(recordKey) {
      return (await redis.run('load', (client) => client.hget(recordKey, 'u'))) ?? '';
    },
  };
}

function readResult(reply: unknown): MarkResult {
  if (Array.isArray(reply)) {
    const [first, second, third] = reply;
    return third === undefined
      ? { kind: 'taken', owner: String(first), remainingMs: Number(second) }
      : { kind: 'unanswered', count: Number(second), lastMs: Number(third) };
  }
  const kind = String(reply);
  if (kind === 'marked' || kind === 'conflict' || kind === 'gone') return { kind };
  throw new Error('the spend mark script returned an unknown result');
}
