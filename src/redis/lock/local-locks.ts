import { withTimeout } from '../../concurrency/with-timeout.ts';
import type { Locks } from './locks.ts';

/** Locks within this process, for a store that no other process uses. */
export function createLocalLocks(): Locks {
  /** For each name, a promise that settles when the last caller in the queue has released the lock. */
  const queues = new Map<string, Promise<void>>();
  return {
    async acquire(name, deadlineMs) {
      const waitingSinceMs = Date.now();
      const previous = queues.get(name);
      const released = Promise.withResolvers<void>();
      const last = (previous ?? Promise.resolve()).then(() => released.promise);
      queues.set(name, last);
      void last.then(() => queues.get(name) === last && queues.delete(name));
      if (previous !== undefined) {
        const isFree = await withTimeout(
          previous.then(() => true),
          Math.max(0, deadlineMs - Date.now()),
        );
        if (isFree === undefined) {
          released.resolve();
          return undefined;
        }
      }
      return { waitingSinceMs, isHeld: () => true, release: async () => released.resolve() };
    },
    close: () => undefined,
  };
}
