import { createScript, type RedisConnection } from '../../../redis/connection.ts';
import type { MarkResult, SpendMark } from '../spend-mark.ts';

/** Spend marks in the records of sessions. */
export type RedisSpendMarks = {
  /** Marks a record unless it has changed, or bears the mark of another owner than `mark.owner`, unless that is the mark of `mark.over` and has ended. */
  write(recordKey: string, mark: SpendMark): Promise<MarkResult>;
  /** Removes a mark, if it is still the mark of this owner. */
  remove(recordKey: string, owner: string): Promise<void>;
};

/**
 * KEYS record · ARGV expected version, owner, lifetime, earlier owner
 *
 * The mark is the field `m` of the record: owner and end, on the clock of Redis, because the clocks of the processes may
 * differ. The mark of another owner is written once more as it is: that reply shows that Redis takes writes.
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
  redis.call('HSET', KEYS[1], 'm', ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[3]))
  return 'marked'`);

/** KEYS record · ARGV owner */
const removeScript = createScript(`
  local mark = redis.call('HGET', KEYS[1], 'm')
  if mark and string.match(mark, '^%S+') == ARGV[1] then redis.call('HDEL', KEYS[1], 'm') end
  return 1`);

export function createRedisSpendMarks({ redis }: { redis: RedisConnection }): RedisSpendMarks {
  return {
    async write(recordKey, { version, owner, lifetimeMs, over = '' }) {
      const args = [version, owner, lifetimeMs, over];
      return readResult(await redis.evaluate('spend_mark', writeScript, [recordKey], args));
    },
    async remove(recordKey, owner) {
      await redis.evaluate('spend_unmark', removeScript, [recordKey], [owner]);
    },
  };
}

function readResult(reply: unknown): MarkResult {
  if (Array.isArray(reply)) return { kind: 'taken', owner: String(reply[0]), remainingMs: Number(reply[1]) };
  const kind = String(reply);
  if (kind === 'marked' || kind === 'conflict' || kind === 'gone') return { kind };
  throw new Error('the spend mark script returned an unknown result');
}
