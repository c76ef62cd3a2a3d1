import { createScript, type RedisConnection } from '../../redis/connection.ts';

/** The session generation in Redis, and the copy of it that this process has. */
export type RedisGeneration = {
  /** The newest generation that this process knows. */
  known(): number;
  /** False until the generation has been read after the last time that messages may have been missed. */
  isCurrent(): boolean;
  /** Reads the generation from Redis. */
  refresh(): Promise<void>;
  /** Handles a message about the generation; gives false for any other message. */
  handleMessage(message: string): boolean;
  /** Messages may have been missed: `isCurrent` is false until the next read. */
  invalidate(): void;
  begin(): Promise<void>;
};

/**
 * KEYS generation · ARGV now, channel
 *
 * A generation is the time at which it began, so that no two are equal, even if Redis has lost the newest one. It begins
 * even if Redis refuses the message.
 */
const beginScript = createScript(`
  local last = tonumber(redis.call('GET', KEYS[1])) or 0
  local generation = string.format('%.0f', math.max(ARGV[1], last + 1))
  redis.call('SET', KEYS[1], generation)
  redis.pcall('PUBLISH', ARGV[2], 'generation ' .. generation)
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
  let invalidations = 0;
  let isCurrent = false;
  const raise = (generation: unknown) => {
    known = Math.max(known, Number(generation));
  };

  return {
    known: () => known,
    isCurrent: () => isCurrent,
    async refresh() {
      const invalidationsBefore = invalidations;
      raise(await redis.run('generation', (client) => client.get(name)));
      isCurrent = invalidationsBefore === invalidations;
    },
    handleMessage(message) {
      const [kind, generation] = message.split(' ');
      if (kind !== 'generation') return false;
      raise(generation);
      return true;
    },
    invalidate() {
      invalidations += 1;
      isCurrent = false;
    },
    async begin() {
      raise(await redis.evaluate('generation', beginScript, [name], [clock(), deps.channel]));
    },
  };
}
