import { createScript, type RedisConnection } from '../../redis/connection.ts';

/** The generation of sessions, in Redis, as every process knows it. */
export type RedisGeneration = {
  /** What is known of it here. */
  known(): number;
  /** True while what is known is sure to be so: it has been read since messages may last have been missed. */
  isCurrent(): boolean;
  /** Reads it. */
  learn(): Promise<void>;
  /** Takes note of a message; gives false for one that is about something else. */
  hear(message: string): boolean;
  /** Messages may have been missed. */
  doubt(): void;
  begin(): Promise<void>;
};

/**
 * KEYS generation · ARGV now, channel
 *
 * A generation is named by the time it began, so that no two are alike, even where Redis has lost the newest.
 */
const begin = createScript(`
  local last = tonumber(redis.call('GET', KEYS[1])) or 0
  local generation = string.format('%.0f', math.max(ARGV[1], last + 1))
  redis.call('SET', KEYS[1], generation)
  redis.call('PUBLISH', ARGV[2], 'generation ' .. generation)
  return generation`);

export function createRedisGeneration(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  channel: string;
  clock: () => number;
}): RedisGeneration {
  const { redis, clock } = deps;
  const name = `${deps.keyPrefix}generation`;
  let known = 0;
  let doubts = 0;
  let isCurrent = false;
  const raise = (generation: unknown) => {
    known = Math.max(known, Number(generation));
  };

  return {
    known: () => known,
    isCurrent: () => isCurrent,
    async learn() {
      const asOf = doubts;
      raise(await redis.run('generation', (client) => client.get(name)));
      isCurrent = asOf === doubts;
    },
    hear(message) {
      const [kind, generation] = message.split(' ');
      if (kind !== 'generation') return false;
      raise(generation);
      return true;
    },
    doubt() {
      doubts += 1;
      isCurrent = false;
    },
    async begin() {
      raise(await redis.evaluate('generation', begin, [name], [clock(), deps.channel]));
    },
  };
}
