import { createScript } from '../../../redis/connection.ts';
import { luaList, RECORD_FIELDS, setTtl } from '../record/record-fields.ts';
import { setMissingIdle } from './idle-limit.ts';

/*
 * The fields of a record are those of {@link RecordFields}. Claims and tokens are only in the envelope. The record expires at
 * the earlier of its two times. Every script uses one key, so that it runs on a cluster, and publishes its change in the same
 * step. A message that Redis refuses (`pcall`) undoes no change.
 */

/** KEYS record · ARGV now, envelope, end, idle limit, sealed idle limit, unanswered sendings or an empty text */
export const createRecordScript = createScript(`${setTtl}
  redis.call('HSET', KEYS[1], 'v', 1, 'e', ARGV[2], 'a', ARGV[3], 'i', ARGV[4], 't', ARGV[5])
  if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'u', ARGV[6]) end
  expire(KEYS[1], tonumber(ARGV[1]))
  return 1`);

/** KEYS record · ARGV now, envelope, end, expected version, channel, name, condition, idle limit, sealed idle limit */
export const replaceScript = createScript(`${setTtl}${setMissingIdle}
  local version = redis.call('HGET', KEYS[1], 'v')
  if not version then return 'gone' end
  if version ~= ARGV[4] then return 'conflict' end
  if ARGV[7] == 'unless_marked' and redis.call('HGET', KEYS[1], 'm') then return 'conflict' end
  local previous = set_missing_idle(KEYS[1], ARGV[8], ARGV[9])
  if previous then return previous end
  version = redis.call('HINCRBY', KEYS[1], 'v', 1)
  redis.call('HSET', KEYS[1], 'e', ARGV[2], 'a', ARGV[3])
  redis.call('HDEL', KEYS[1], 'm')
  if ARGV[7] ~= 'unless_marked' then redis.call('HDEL', KEYS[1], 'u') end
  expire(KEYS[1], tonumber(ARGV[1]))
  redis.pcall('PUBLISH', ARGV[5], 'changed ' .. ARGV[6] .. ' ' .. version)
  return 'replaced'`);

/** KEYS record · ARGV now, idle limit, sealed idle limit: a record of the previous format gets no sealed one. */
export const touchScript = createScript(`${setTtl}
  local idle = redis.call('HGET', KEYS[1], 'i')
  if not idle then return 0 end
  if tonumber(ARGV[2]) > tonumber(idle) then
    redis.call('HSET', KEYS[1], 'i', ARGV[2])
    if redis.call('HGET', KEYS[1], 't') then redis.call('HSET', KEYS[1], 't', ARGV[3]) end
    expire(KEYS[1], tonumber(ARGV[1]))
  end
  return 1`);

/** KEYS record · ARGV channel, name: gives the record, and 1 if the message could be published. */
export const removeScript = createScript(`
  local record = redis.call('HMGET', KEYS[1], ${luaList(RECORD_FIELDS)})
  if not record[1] then return record end
  redis.call('DEL', KEYS[1])
  local receivers = redis.pcall('PUBLISH', ARGV[1], 'ended ' .. ARGV[2] .. ' ' .. record[1])
  record[${RECORD_FIELDS.length + 1}] = type(receivers) == 'number' and 1 or 0
  return record`);
