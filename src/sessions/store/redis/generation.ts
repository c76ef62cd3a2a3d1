import { setTimeout as sleep } from 'node:timers/promises';
import { shareRuns } from '../../../concurrency/shared-run.ts';
import type { Logger } from '../../../observability/log.ts';
import { OUTAGE_GRACE_MS } from '../../../timing.ts';
import { createScript, type RedisConnection, type Script } from '../../../redis/connection.ts';
import type { RecordScan } from './record-scan.ts';

/** The session generation in Redis, and the copy of it that this process has. */
export type RedisGeneration = {
  /** The newest generation that this process knows. */
  known(): number;
  /** False until the generation has been read after the last time that messages may have been missed. */
  isCurrent(): boolean;
  /** Reads the generation from Redis, and writes it again if Redis has lost the newest one. */
  refresh(): Promise<void>;
  /** Makes sure that Redis has a generation before a sign-in adds a session; handles a lost one as `foundSession` does. */
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

/** A generation with more digits is none: it would not be an exact number. */
const MAX_DIGITS = 16;

/*
 * A generation is the time at which it began, so that no two are equal, even if Redis has lost the newest one. It is stored
 * even if Redis refuses the message. Every script has KEYS generation · ARGV generation, channel, and gives the stored one.
 * A text that is no generation counts as missing.
 */
const store = `
  local stored = string.match(redis.call('GET', KEYS[1]) or '', '^%d+$')
  if stored and #stored > ${MAX_DIGITS} then stored = nil end
  local function store(generation)
    redis.call('SET', KEYS[1], generation)
    if generation ~= '0' then redis.pcall('PUBLISH', ARGV[2], 'generation ' .. generation) end
    return generation
  end`;

/** Begins a generation, in any case a newer one than the stored one. */
const beginScript = createScript(`${store}
  return store(string.format('%.0f', math.max(ARGV[1], (tonumber(stored) or 0) + 1)))`);

/** Begins a generation, unless one is stored. */
const beginIfMissingScript = createScript(`${store}
  return stored or store(ARGV[1])`);

/** Stores a generation, unless it or a newer one is stored. */
const restoreScript = createScript(`${store}
  if stored and tonumber(stored) >= tonumber(ARGV[1]) then return stored end
  return store(ARGV[1])`);

/** The message that asks the other processes to store the generation that they know, unless it or a newer one is stored. */
const LOST = 'generation-lost';
/** How often to check for a reply to it, in milliseconds. */
const REPLY_CHECK_MS = 50;
/** How often the generation is read again, in milliseconds: a key that is used is not the first to be evicted. */
const REFRESH_MS = 30_000;

export function createRedisGeneration(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  channel: string;
  /** Finds the records in Redis. */
  scan: RecordScan;
  clock: () => number;
  log: Logger;
}): RedisGeneration {
  const { redis, scan, clock, log } = deps;
  const name = `${deps.keyPrefix}generation`;
  let known = 0;
  /** False until this process has read or stored a generation; 0 is one, too. */
  let isKnown = false;
  let isStored = false;
  let invalidations = 0;
  let isCurrent = false;

  const raise = (generation: number) => {
    known = Math.max(known, generation);
    isKnown = true;
    isStored = true;
  };
  const run = async (script: Script, generation: number) => {
    raise(Number(await redis.evaluate('generation', script, [name], [generation, deps.channel])));
  };
  const restore = () => run(restoreScript, known);
  const askOthers = () => redis.run('publish', (client) => client.publish(deps.channel, LOST));
  const read = async () => {
    const stored = parseGeneration(await redis.run('generation', (client) => client.get(name)));
    // Redis may have lost a newer one that another process knows.
    if (!isKnown) void askOthers().catch(() => undefined);
    isStored = stored !== undefined;
    if (stored === undefined ? isKnown : stored < known) return restore();
    if (stored !== undefined) raise(stored);
  };
  const refresh: RedisGeneration['refresh'] = async () => {
    const invalidationsBefore = invalidations;
    await read();
    isCurrent = invalidationsBefore === invalidations;
  };

  /** SECURITY: a session that an operator has ended must not come back because Redis has lost the generation. */
  const recover = shareRuns(async () => {
    await read();
    if (isStored) return;
    await askOthers();
    for (let waitedMs = 0; waitedMs < OUTAGE_GRACE_MS; waitedMs += REPLY_CHECK_MS) {
      await sleep(REPLY_CHECK_MS);
      await read();
      if (isStored) return;
    }
    log.error(
      { key: name },
      'the session store has lost the session generation, so every session ends. Set maxmemory-policy to noeviction in Redis',
    );
    await run(beginIfMissingScript, clock());
  });
  const hasRecords = async () => {
    for await (const names of scan.all()) if (names.length > 0) return true;
    return false;
  };

  const timer = setInterval(() => void refresh().catch(() => undefined), REFRESH_MS);
  timer.unref();

  return {
    known: () => known,
    isCurrent: () => isCurrent,
    refresh,
    async ensureStored() {
      if (isStored) return;
      if (!isKnown && (await hasRecords())) return recover();
      // A process that knows a newer generation raises it again.
      void askOthers().catch(() => undefined);
      await restore();
    },
    async foundSession() {
      if (!isStored) await recover();
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
      const [kind, text] = message.split(' ');
      if (kind !== 'generation') return 'other';
      const begun = parseGeneration(text);
      if (begun === undefined) return 'handled';
      raise(begun);
      return 'begun';
    },
    invalidate() {
      invalidations += 1;
      isCurrent = false;
    },
    begin: () => run(beginScript, clock()),
    close: () => clearInterval(timer),
  };
}

/** SECURITY: a text that is no number compares as neither older nor newer, and would bring ended sessions back. */
function parseGeneration(text: string | null | undefined): number | undefined {
  const digits = text ?? '';
  return /^\d+$/.test(digits) && digits.length <= MAX_DIGITS ? Number(digits) : undefined;
}
