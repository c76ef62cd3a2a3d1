import type { RecordPlace } from './record.ts';

/**
 * A record as Redis has it: a hash of `v` version, `e` envelope, `a` end, `t` sealed idle limit, `i` idle limit, `m` spend
 * mark and `u` sendings of the refresh token without a response (times in milliseconds since the epoch). The envelope authenticates `v` and `a`, and `t` authenticates itself; `i` repeats
 * the time in `t`, for the scripts. A record of the previous format has no `t`.
 */
export type RecordFields = {
  readonly version: number;
  readonly envelope: Buffer;
  readonly endsAtMs: number;
  readonly sealedIdle: Buffer | undefined;
  readonly idleExpiresAtMs: number;
};

/** The fields to read, in the order in which {@link readRecordFields} expects them. */
export const RECORD_FIELDS = ['v', 'e', 'a', 't', 'i'] as const;

/** Texts as arguments of a Lua function. */
export function luaList(texts: readonly string[]): string {
  return texts.map((text) => `'${text}'`).join(', ');
}

/** Undefined for a record that does not exist. */
export function readRecordFields([v, e, a, t, i]: readonly unknown[]): RecordFields | undefined {
  if (v === null || v === undefined) return undefined;
  return {
    version: Number(v),
    envelope: Buffer.isBuffer(e) ? e : Buffer.alloc(0),
    endsAtMs: Number(a),
    sealedIdle: Buffer.isBuffer(t) ? t : undefined,
    idleExpiresAtMs: Number(i),
  };
}

/** The place that a record is bound to. */
export function placeOf(name: string, { version, endsAtMs }: RecordFields): RecordPlace {
  return { name, version, endsAtMs };
}

/**
 * The Lua function `expire`, which scripts on a record begin with: the record expires at the earlier of its idle limit `i`
 * and its end `a`.
 */
export const setTtl = `
  local function expire(key, now)
    local i, a = tonumber(redis.call('HGET', key, 'i')), tonumber(redis.call('HGET', key, 'a'))
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, math.min(i, a) - now)))
  end`;
