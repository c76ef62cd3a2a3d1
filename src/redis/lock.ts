import { randomIdentifier } from '../crypto/identifier.ts';
import type { Logger } from '../log.ts';
import { openChannel } from './channel.ts';
import { createScript, type RedisConnection } from './connection.ts';

/** A lock that is held. */
export type Lease = {
  /** True while nobody else can hold the lock: false once its lifetime may have run out, even if this process was stopped. */
  isHeld(): boolean;
  /** Gives the lock back, if it is still ours. Never throws. */
  release(): Promise<void>;
};

/** Locks by name, one holder at a time over all processes. */
export type Locks = {
  /** Waits for a lock until `deadlineMs` (milliseconds since the epoch); gives undefined when it was not to be had. */
  acquire(name: string, deadlineMs: number): Promise<Lease | undefined>;
  close(): void;
};

/** The longest sleep between two looks at a lock, in milliseconds, in case its release went unheard. */
const LONGEST_SLEEP_MS = 1_000;

/** KEYS lock · ARGV owner, lifetime: takes the lock, or tells how long it still lives. */
const take = createScript(`
  if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return -1 end
  return redis.call('PTTL', KEYS[1])`);

/** KEYS lock · ARGV owner, lifetime */
const renew = createScript(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** KEYS lock · ARGV owner, channel, name */
const giveBack = createScript(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3])
  return 1`);

/**
 * Locks in Redis that live `ttlMs` and are renewed while they are held, so that none lapses in use, and a killed holder
 * blocks nobody for longer. Waiters are woken by a message.
 */
export function createRedisLocks(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  ttlMs: number;
  log: Logger;
}): Locks {
  const { redis, keyPrefix, ttlMs, log } = deps;
  const waiters = new Map<string, Set<() => void>>();
  const wake = (name: string) => waiters.get(name)?.forEach((resume) => resume());
  const channel = openChannel({
    redis,
    name: `${keyPrefix}unlocked`,
    log,
    onMessage: wake,
    onGap: () => [...waiters.keys()].forEach(wake),
  });

  const sleep = (name: string, ms: number) =>
    new Promise<void>((resolve) => {
      const same = waiters.get(name) ?? new Set();
      const resume = () => {
        clearTimeout(timer);
        same.delete(resume);
        if (same.size === 0 && waiters.get(name) === same) waiters.delete(name);
        resolve();
      };
      const timer = setTimeout(resume, ms);
      waiters.set(name, same.add(resume));
    });

  const hold = (name: string, key: string, owner: string, takenAtMs: number): Lease => {
    // Counted from before the command was sent, on this machine's clock: never later than Redis counts.
    let heldUntilMs = takenAtMs + ttlMs;
    const timer = setInterval(() => {
      const askedAtMs = Date.now();
      redis.evaluate('lock_renew', renew, [key], [owner, ttlMs]).then(
        (reply) => {
          heldUntilMs = reply === 1 ? askedAtMs + ttlMs : 0;
        },
        () => undefined,
      );
    }, ttlMs / 3);
    return {
      isHeld: () => Date.now() < heldUntilMs,
      async release() {
        clearInterval(timer);
        await redis
          .evaluate('lock_release', giveBack, [key], [owner, channel.name, name])
          .catch(() => undefined);
      },
    };
  };

  return {
    async acquire(name, deadlineMs) {
      const key = `${keyPrefix}lock:${name}`;
      const owner = randomIdentifier();
      for (;;) {
        const askedAtMs = Date.now();
        const reply = Number(await redis.evaluate('lock_take', take, [key], [owner, ttlMs]));
        if (reply === -1) return hold(name, key, owner, askedAtMs);
        const leftMs = deadlineMs - Date.now();
        if (leftMs <= 0) return undefined;
        await sleep(name, Math.max(1, Math.min(LONGEST_SLEEP_MS, reply, leftMs)));
      }
    },
    close: channel.close,
  };
}

/** Locks among the callers of this process, for a store that only this process uses. */
export function createLocalLocks(): Locks {
  const queues = new Map<string, Promise<void>>();
  return {
    async acquire(name, deadlineMs) {
      const before = queues.get(name);
      const turn = Promise.withResolvers<void>();
      const end = (before ?? Promise.resolve()).then(() => turn.promise);
      queues.set(name, end);
      void end.then(() => queues.get(name) === end && queues.delete(name));
      if (before !== undefined && !(await settlesBefore(before, deadlineMs))) {
        turn.resolve();
        return undefined;
      }
      return { isHeld: () => true, release: async () => turn.resolve() };
    },
    close: () => undefined,
  };
}

async function settlesBefore(promise: Promise<void>, deadlineMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), Math.max(0, deadlineMs - Date.now()));
  const settled = await Promise.race([promise.then(() => true), late.promise]);
  clearTimeout(timer);
  return settled;
}
