import { withTimeout } from '../concurrency/with-timeout.ts';
import { randomIdentifier } from '../crypto/identifier.ts';
import type { Logger } from '../observability/log.ts';
import { lockRenewalIntervalMs, OUTAGE_GRACE_MS, outageThatNeedsGraceMs } from '../timing.ts';
import { openChannel } from './channel.ts';
import { createScript, type RedisConnection } from './connection.ts';

/** A lock that is held. */
export type Lease = {
  /** True while nobody else can hold the lock: false once its lifetime may have run out, even if this process was stopped. */
  isHeld(): boolean;
  /**
   * Gives the lock back, if it is still ours. With `failed`, those who wait for it now do not get it: what they wait for
   * has just been tried. Never throws.
   */
  release(outcome?: 'failed'): Promise<void>;
};

/** Locks by name, one holder at a time over all processes. */
export type Locks = {
  /**
   * Waits for a lock until `deadlineMs` (milliseconds since the epoch). Gives undefined when it was not to be had, or when
   * its holder has failed.
   */
  acquire(name: string, deadlineMs: number): Promise<Lease | undefined>;
  close(): void;
};

/** The longest sleep between two looks at a lock, in milliseconds, in case its release went unheard. */
const LONGEST_SLEEP_MS = 1_000;

/** How soon a lock that could not be given back is tried again, in milliseconds. */
const RELEASE_AGAIN_MS = 500;

/** KEYS lock · ARGV owner, lifetime: takes the lock, or tells how long it still lives. */
const take = createScript(`
  if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return -1 end
  return redis.call('PTTL', KEYS[1])`);

/** KEYS lock · ARGV owner, lifetime */
const renew = createScript(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** KEYS lock · ARGV owner, channel, message */
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
  const releases = new Set<NodeJS.Timeout>();
  let closed = false;
  const waiters = new Map<string, Set<(outcome: string | undefined) => void>>();
  const wake = (name: string, outcome?: string) => waiters.get(name)?.forEach((resume) => resume(outcome));
  const channel = openChannel({
    redis,
    name: `${keyPrefix}unlocked`,
    log,
    onMessage(message) {
      const [name = '', outcome] = message.split(' ');
      wake(name, outcome);
    },
    onMissedMessages: () => [...waiters.keys()].forEach((name) => wake(name)),
  });

  /** Listens for the release of a lock from now on. */
  const listen = (name: string) => {
    const heard = Promise.withResolvers<string | undefined>();
    const same = waiters.get(name) ?? new Set();
    waiters.set(name, same.add(heard.resolve));
    const leave = () => {
      same.delete(heard.resolve);
      if (same.size === 0 && waiters.get(name) === same) waiters.delete(name);
    };
    return {
      leave,
      /** Gives the outcome of a release, or undefined when the lock should be looked at again anyway. */
      async wait(ms: number): Promise<string | undefined> {
        const outcome = await withTimeout(heard.promise, ms);
        leave();
        return outcome;
      },
    };
  };

  /**
   * Waits until Redis has been back for a while, if it was away for so long that locks have lapsed which were still
   * needed: who got new tokens meanwhile writes them first, before anybody reads the old ones under this lock.
   */
  const waitForOutageGrace = async () => {
    const { beganAtMs, endedAtMs } = redis.lastOutage() ?? { beganAtMs: 0, endedAtMs: 0 };
    if (endedAtMs - beganAtMs < outageThatNeedsGraceMs(ttlMs)) return;
    const leftMs = endedAtMs + OUTAGE_GRACE_MS - Date.now();
    if (leftMs <= 0) return;
    log.debug(
      { waitMs: leftMs },
      'Redis was away: refreshes wait until other processes have written new tokens',
    );
    await new Promise((resolve) => setTimeout(resolve, leftMs));
  };

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
    }, lockRenewalIntervalMs(ttlMs));
    return {
      isHeld: () => Date.now() < heldUntilMs,
      async release(outcome) {
        clearInterval(timer);
        await release(key, owner, outcome === undefined ? name : `${name} ${outcome}`);
      },
    };
  };

  /** Gives a lock back. While Redis is away it is tried again, until the lock is over by itself. */
  const release = (key: string, owner: string, message: string): Promise<void> => {
    const overAtMs = Date.now() + ttlMs;
    const attempt = async (): Promise<void> => {
      try {
        await redis.evaluate('lock_release', giveBack, [key], [owner, channel.name, message]);
      } catch {
        if (closed || Date.now() > overAtMs) return;
        const timer = setTimeout(() => {
          releases.delete(timer);
          void attempt();
        }, RELEASE_AGAIN_MS);
        releases.add(timer);
      }
    };
    return attempt();
  };

  return {
    async acquire(name, deadlineMs) {
      const key = `${keyPrefix}lock:${name}`;
      const owner = randomIdentifier();
      for (;;) {
        const askedAtMs = Date.now();
        // Before the question is asked: the release may overtake the answer, which comes on another connection.
        const bell = listen(name);
        const reply = Number(
          await redis.evaluate('lock_take', take, [key], [owner, ttlMs]).catch((error: unknown) => {
            bell.leave();
            // It may have been taken all the same, and only the reply be lost.
            void release(key, owner, name);
            throw error;
          }),
        );
        if (reply === -1) {
          bell.leave();
          const lease = hold(name, key, owner, askedAtMs);
          await waitForOutageGrace();
          return lease;
        }
        const leftMs = deadlineMs - Date.now();
        if (leftMs <= 0) {
          bell.leave();
          return undefined;
        }
        const outcome = await bell.wait(Math.max(1, Math.min(LONGEST_SLEEP_MS, reply, leftMs)));
        if (outcome === 'failed') return undefined;
      }
    },
    close() {
      closed = true;
      for (const timer of releases) clearTimeout(timer);
      channel.close();
    },
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
      if (before !== undefined) {
        const isFree = await withTimeout(
          before.then(() => true),
          Math.max(0, deadlineMs - Date.now()),
        );
        if (isFree === undefined) {
          turn.resolve();
          return undefined;
        }
      }
      return { isHeld: () => true, release: async () => turn.resolve() };
    },
    close: () => undefined,
  };
}
