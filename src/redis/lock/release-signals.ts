import { withTimeout } from '../../concurrency/with-timeout.ts';
import type { Logger } from '../../observability/log.ts';
import { openChannel } from '../channel.ts';
import type { RedisConnection } from '../connection.ts';

/** A subscription to the next release of one lock. */
export type ReleaseSignal = {
  /** Waits for the release. Gives its outcome; undefined when the caller should try to take the lock again. */
  wait(ms: number): Promise<string | undefined>;
  cancel(): void;
};

/** Messages that wake the waiters of a lock, in every process, when its holder releases it. */
export type ReleaseSignals = {
  /** The Redis channel of the messages. */
  readonly channelName: string;
  subscribe(lockName: string): ReleaseSignal;
  close(): void;
};

/** The message that tells waiters of a release. */
export function releaseMessage(lockName: string, outcome: string | undefined): string {
  return outcome === undefined ? lockName : `${lockName} ${outcome}`;
}

export function createReleaseSignals(deps: {
  redis: RedisConnection;
  keyPrefix: string;
  log: Logger;
}): ReleaseSignals {
  const { redis, keyPrefix, log } = deps;
  const waiters = new Map<string, Set<(outcome: string | undefined) => void>>();
  const wake = (lockName: string, outcome?: string) =>
    waiters.get(lockName)?.forEach((resume) => resume(outcome));
  const channel = openChannel({
    redis,
    name: `${keyPrefix}unlocked`,
    log,
    onMessage(message) {
      const [lockName = '', outcome] = message.split(' ');
      wake(lockName, outcome);
    },
    onMissedMessages: () => [...waiters.keys()].forEach((lockName) => wake(lockName)),
  });

  return {
    channelName: channel.name,
    subscribe(lockName) {
      const signal = Promise.withResolvers<string | undefined>();
      const sameLock = waiters.get(lockName) ?? new Set();
      waiters.set(lockName, sameLock.add(signal.resolve));
      const cancel = () => {
        sameLock.delete(signal.resolve);
        if (sameLock.size === 0 && waiters.get(lockName) === sameLock) waiters.delete(lockName);
      };
      return {
        cancel,
        async wait(ms) {
          const outcome = await withTimeout(signal.promise, ms);
          cancel();
          return outcome;
        },
      };
    },
    close: channel.close,
  };
}
