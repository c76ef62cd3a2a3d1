import type { SealedTimes } from '../../../crypto/sealed-time.ts';
import type { RedisConnection, Script } from '../../../redis/connection.ts';
import {
  luaList,
  placeOf,
  readRecordFields,
  RECORD_FIELDS,
  type RecordFields,
} from '../record/record-fields.ts';
import type { RecordCodec } from '../record/record.ts';

/*
 * A record of the previous format has no sealed idle limit, and gets one when it is written for the first time in the format
 * of today. Only a process can seal the limit, so that this one write takes two round trips.
 */

/**
 * The Lua function `set_missing_idle`. Without a limit it gives the record as it is if that has no sealed one, and the script
 * must return that and change nothing; with one, it sets the limit.
 */
export const setMissingIdle = `
  local function set_missing_idle(key, idle, sealed)
    if redis.call('HGET', key, 't') then return nil end
    if idle == '' then return redis.call('HMGET', key, ${luaList(RECORD_FIELDS)}) end
    redis.call('HSET', key, 'i', idle, 't', sealed)
    return nil
  end`;

/** Writes records together with a sealed idle limit. */
export type IdleSealing = {
  /**
   * Runs a script that uses {@link setMissingIdle} and takes the idle limit and the sealed one as its last arguments. Gives
   * `gone`, and nothing is changed, if the record lacks a sealed limit and is not one of the previous format: nobody can open it.
   */
  evaluate(
    operation: string,
    script: Script,
    name: string,
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown>;
  /** The sealed idle limit of a record; seals that of a record of the previous format. */
  sealedIdleOf(name: string, fields: RecordFields): Buffer | undefined;
};

export function createIdleSealing(deps: {
  redis: RedisConnection;
  codec: RecordCodec;
  idleLimits: SealedTimes;
}): IdleSealing {
  const { redis, codec, idleLimits } = deps;

  const sealedIdleOf: IdleSealing['sealedIdleOf'] = (name, fields) => {
    if (fields.sealedIdle !== undefined) return fields.sealedIdle;
    // SECURITY: the idle limit of any other record is not sealed without a code that proves it.
    const isPrevious =
      codec.isPreviousFormat(fields.envelope) &&
      codec.decode(fields.envelope, placeOf(name, fields)) !== undefined;
    return isPrevious ? idleLimits.seal(fields.idleExpiresAtMs, name) : undefined;
  };

  return {
    async evaluate(operation, script, name, args) {
      const reply = await redis.evaluate(operation, script, [name], [...args, '', '']);
      const fields = Array.isArray(reply) ? readRecordFields(reply) : undefined;
      if (fields === undefined) return reply;
      const sealed = sealedIdleOf(name, fields);
      if (sealed === undefined) return 'gone';
      return redis.evaluate(operation, script, [name], [...args, fields.idleExpiresAtMs, sealed]);
    },
    sealedIdleOf,
  };
}
