import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../observability/log.ts';
import { OUTAGE_GRACE_MS } from '../../timing.ts';
import { createScript, type RedisConnection } from '../../redis/connection.ts';

/** The session generation in Redis, and the copy of it that this process has. */
export type RedisGeneration = {
  /** The newest generation that this process knows. */
  known(): number;
  /** False until the generation has been read after the last time that messages may have been missed. */
  isCurrent(): boolean;
  /** Reads the generation from Redis, and writes it again if Redis has lost the newest one. */
  refresh(): Promise<void>;
  /** Makes sure that Redis has a generation before it has a session. */
  ensureStored(): Promise<void>;
  /**
   * To be called when Redis has a session, of a generation that may be unknown. If Redis has no generation and no process
   * knows it, begins a new one: nobody can tell which sessions an operator had ended.
   */
  foundSession(): Promise<void>;
  /** Takes a generation from a record: Redis may have lost the newer one. */
  raiseTo(generation: number): void;
  /** Handles a message about the generation: `begun` if one began, `other` for a message about something else. */
  handleMessage(message: string): 'begun' | 'handled' | 'other';
  /** Messages may have been missed: `isCurrent` is false until the next read. */
  invalidate(): void;
  begin(): Promise<void>;
  close(): void;
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

/** The same, unless another process has been first. */
const beginIfMissingScript = createScript(`
  local stored = redis.call('GET', KEYS[1])
  if stored then return stored end
  redis.call('SET', KEYS[1], ARGV[1])
  redis.pcall('PUBLISH', ARGV[2], 'generation ' .. ARGV[1])
  return ARGV[1]`);

/** KEYS generation · ARGV generation, channel: stores a generation unless Redis has it or a newer one; gives the stored one. */
const restoreScript = createScript(`
  local stored = redis.call('GET', KEYS[1])
  if stored and tonumber(stored) >= tonumber(ARGV[1]) then return stored end
  redis.call('SET', KEYS[1], ARGV[1])
  if ARGV[1] ~= '0' then redis.pcall('PUBLISH', ARGV[2], 'generation ' .. ARGV[1]) end
  return ARGV[1]`);

/** The message that asks the other processes to store the generation that they know. */
const LOST = 'generation-lost';
/** How often to look for an answer to it, in milliseconds. */
const ANSWER_CHECK_MS = 50;
/** How often the generation is read again, in milliseconds: a key that is used is not the first to be evicted. */
const REFRESH_MS = 30_000;

export function createRedisGeneration(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  channel: string;
  clock: () => number;
  log: Logger;
}): RedisGeneration {
  const { redis, clock, log } = deps;
  const name = `${deps.keyPrefix}generation`;
  let known = 0;
  /** False until this process has read or stored a generation; 0 is one, too. */
  let isKnown = false;
  let isStored = false;
  let invalidations = 0;
  let isCurrent = false;
  let recovery: Promise<void> | undefined;

  const raise = (generation: unknown) => {
    known = Math.max(known, Number(generation));
    isKnown = true;
    isStored = true;
  };
  const restore = async () => {
    raise(await redis.evaluate('generation', restoreScript, [name], [known, deps.channel]));
  };
  const read = async () => {
    const stored = await redis.run('generation', (client) => client.get(name));
    isStored = stored !== null;
    if (stored === null ? isKnown : Number(stored) < known) return restore();
    if (stored !== null) raise(stored);
  };
  const refresh: RedisGeneration['refresh'] = async () => {
    const invalidationsBefore = invalidations;
    await read();
    isCurrent = invalidationsBefore === invalidations;
  };
  const begin: RedisGeneration['begin'] = async () => {
    raise(await redis.evaluate('generation', beginScript, [name], [clock(), deps.channel]));
  };

  const askOthers = () => redis.run('publish', (client) => client.publish(deps.channel, LOST));

  /** SECURITY: a session that an operator has ended must not come back because Redis has lost the generation. */
  const recover = async () => {
    await read();
    if (isStored) return;
    await askOthers();
    for (let waitedMs = 0; waitedMs < OUTAGE_GRACE_MS; waitedMs += ANSWER_CHECK_MS) {
      await sleep(ANSWER_CHECK_MS);
      await read();
      if (isStored) return;
    }
    log.error(
      { key: name },
      'the session store has lost the session generation, so every session ends. Set maxmemory-policy to noeviction in Redis',
    );
    raise(await redis.evaluate('generation', beginIfMissingScript, [name], [clock(), deps.channel]));
  };

  const timer = setInterval(() => void refresh().catch(() => undefined), REFRESH_MS);
  timer.unref();

  return {
    known: () => known,
    isCurrent: () => isCurrent,
    refresh,
    async ensureStored() {
      if (isStored) return;
      // A process that knows a newer generation raises it again.
      void askOthers().catch(() => undefined);
      await restore();
    },
    async foundSession() {
      if (isStored) return;
      recovery ??= recover().finally(() => (recovery = undefined));
      await recovery;
    },
    raiseTo(generation) {
      if (generation <= known) return;
      known = generation;
      void restore().catch(() => undefined);
    },
    handleMessage(message) {
      if (message === LOST) {
        if (isKnown) void restore().catch(() => undefined);
        return 'handled';
      }
      const [kind, generation] = message.split(' ');
      if (kind !== 'generation') return 'other';
      raise(generation);
      return 'begun';
    },
    invalidate() {
      invalidations += 1;
      isCurrent = false;
    },
    begin,
    close: () => clearInterval(timer),
  };
}
