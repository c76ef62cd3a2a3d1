import type { RedisServer } from '../../testkit/redis-server.ts';

/** KEYS what is copied · ARGV first number, last number, time to live, then what each key holds */
const copy = `
  for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    for at, key in ipairs(KEYS) do
      local name = string.sub(key, 1, -11) .. string.format('%010d', number)
      redis.call('RESTORE', name, ARGV[3], ARGV[at + 3])
    end
  end`;

const TTL_MS = 12 * 3600 * 1000;
const COPIES_PER_CALL = 20_000;

/** Lists every key. */
export async function listKeys(redis: RedisServer): Promise<Set<string>> {
  return new Set((await redis.command('KEYS', '*')) as string[]);
}

/**
 * Copies keys a number of times, under names of the same length. The gateway cannot open the copies, since a record
 * opens only under its own name; they only take the same memory as the originals.
 */
export async function copyKeys(redis: RedisServer, keys: readonly string[], times: number): Promise<void> {
  const dumped = await Promise.all(keys.map((key) => dump(redis, key)));
  for (let first = 0; first < times; first += COPIES_PER_CALL) {
    const last = Math.min(times, first + COPIES_PER_CALL) - 1;
    await redis.command('EVAL', copy, keys.length, ...keys, first, last, TTL_MS, ...dumped);
  }
}

/** The DUMP of a key, for RESTORE. A script returns it as hexadecimal text, which survives the reply's decoding. */
async function dump(redis: RedisServer, key: string): Promise<Buffer> {
  const script = `return (string.gsub(redis.call('DUMP', KEYS[1]), '.', function(byte)
    return string.format('%02x', string.byte(byte))
  end))`;
  return Buffer.from(String(await redis.command('EVAL', script, 1, key)), 'hex');
}
