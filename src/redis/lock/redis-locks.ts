import { randomIdentifier } from '../../crypto/identifier.ts';
import type { Logger } from '../../observability/log.ts';
import { lockRenewalIntervalMs, OUTAGE_GRACE_MS } from '../../timing.ts';
import { createScript, type RedisConnection } from '../connection.ts';
import type { Lease, Locks } from './locks.ts';
import { createReleaseSignals, releaseMessage } from './release-signals.ts';

/** The longest wait for a release signal before the next attempt, in milliseconds: a message may get lost. */
const LONGEST_WAIT_MS = 1_000;

/** The longest time between two looks at what is left of the grace period, in milliseconds: it ends early if Redis is the same. */
const GRACE_STEP_MS = 100;

/** The pause before a failed release is repeated, in milliseconds. */
const RELEASE_RETRY_MS = 500;

/** KEYS lock · ARGV owner, lifetime: takes the lock and gives -1, or gives the remaining lifetime of the lock. */
const takeScript = createScript(`
  if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return -1 end
  return redis.call('PTTL', KEYS[1])`);

/** KEYS lock · ARGV owner, lifetime */
const renewScript = createScript(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])`);

/** KEYS lock · ARGV owner, channel, message */
const releaseScript = createScript(`
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[2], ARGV[3])
  return 1`);

/**
 * Locks in Redis, with one holder at a time across all processes. A lock has a lifetime of `ttlMs`, which its holder renews:
 * a lock in use does not expire, and a killed holder blocks the others for `ttlMs` at most.
 */
export function createRedisLocks(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  ttlMs: number;
  log: Logger;
}): Locks {
  const { redis, keyPrefix } = deps;
  const signals = createReleaseSignals(deps);
  const releaseRetries = new Set<NodeJS.Timeout>();
  let isClosed = false;

  /**
   * Waits until another Redis process has been there for the grace period. After a failover or a restart, Redis may have lost
   * writes that it had acknowledged: the process that remembers them writes them again before a new holder reads the old
   * tokens.
   */
  const waitForOutageGrace = async () => {
    for (;;) {
      const remainingMs = (redis.serverChangedAtMs() ?? -Infinity) + OUTAGE_GRACE_MS - Date.now();
      if (remainingMs <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(remainingMs, GRACE_STEP_MS)));
    }
  };

  /** Releases a lock. While Redis is unavailable, retries until the lifetime of the lock is over. */
  const release = (key: string, owner: string, message: string): Promise<void> => {
    const expiresAtMs = Date.now() + deps.ttlMs;
    const attempt = async (): Promise<void> => {
      try {
        await redis.evaluate('lock_release', releaseScript, [key], [owner, signals.channelName, message]);
      } catch {
        if (isClosed || Date.now() > expiresAtMs) return;
        const timer = setTimeout(() => {
          releaseRetries.delete(timer);
          void attempt();
        }, RELEASE_RETRY_MS);
        releaseRetries.add(timer);
      }
    };
    return attempt();
  };

  const createLease = (
    name: string,
    key: string,
    owner: string,
    { waitingSinceMs, takenAtMs, ttlMs }: { waitingSinceMs: number; takenAtMs: number; ttlMs: number },
  ): Lease => {
    // Counted from before the command was sent, on the clock of this process: never later than Redis counts.
    let heldUntilMs = takenAtMs + ttlMs;
    const renewal = setInterval(() => {
      const sentAtMs = Date.now();
      redis.evaluate('lock_renew', renewScript, [key], [owner, ttlMs]).then(
        (reply) => {
          heldUntilMs = reply === 1 ? sentAtMs + ttlMs : 0;
        },
        () => undefined,
      );
    }, lockRenewalIntervalMs(ttlMs));
    return {
      waitingSinceMs,
      isHeld: () => Date.now() < heldUntilMs,
      async release(outcome) {
        clearInterval(renewal);
        await release(key, owner, releaseMessage(name, outcome));
      },
    };
  };

  return {
    async acquire(name, deadlineMs) {
      const key = `${keyPrefix}lock:${name}`;
      const owner = randomIdentifier();
      const { ttlMs } = deps;
      const waitingSinceMs = Date.now();
      for (;;) {
        const sentAtMs = Date.now();
        // Subscribed before the command is sent: a release may arrive before its reply, on another connection.
        const releaseSignal = signals.subscribe(name);
        const reply = Number(
          await redis.evaluate('lock_take', takeScript, [key], [owner, ttlMs]).catch((error: unknown) => {
            releaseSignal.cancel();
            // Redis may have run the script, and only the reply be lost.
            void release(key, owner, releaseMessage(name, undefined));
            throw error;
          }),
        );
        if (reply === -1) {
          releaseSignal.cancel();
          const lease = createLease(name, key, owner, { waitingSinceMs, takenAtMs: sentAtMs, ttlMs });
          await waitForOutageGrace();
          return lease;
        }
        const remainingMs = deadlineMs - Date.now();
        if (remainingMs <= 0) {
          releaseSignal.cancel();
          return undefined;
        }
        const outcome = await releaseSignal.wait(Math.max(1, Math.min(LONGEST_WAIT_MS, reply, remainingMs)));
        if (outcome === 'failed') return undefined;
      }
    },
    close() {
      isClosed = true;
      for (const timer of releaseRetries) clearTimeout(timer);
      signals.close();
    },
  };
}
