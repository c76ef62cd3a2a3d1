import type { Locks } from '../redis/lock.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Credential } from './credential.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';

/**
 * Counts a renewal in vain in the record, where every process sees it: once for each token, whoever comes first. Under
 * the lock, as all that is written: no renewed tokens can find that another version of the record was first.
 */
export function createRefusalCount(deps: {
  sessions: Sessions;
  locks: Locks;
  refusals: RefreshSuppression;
  /** The longest wait for the lock, in milliseconds. */
  lockWaitMs: number;
  clock: () => number;
}): (refused: Credential) => Promise<void> {
  const { sessions, locks, refusals, lockWaitMs, clock } = deps;

  return async ({ stored, audience }) => {
    const lease = await locks.acquire(stored.key, Date.now() + lockWaitMs);
    if (lease === undefined) return;
    try {
      const current = await sessions.loadByKey(stored.key);
      if (current === undefined) return;
      const refusedAtMs = refusals.recent(current.session);
      const { obtainedAtMs = 0 } = stored.session.tokens.access[audience.id] ?? {};
      if ((refusedAtMs.at(-1) ?? 0) >= obtainedAtMs) return;
      await sessions.replace(current, { ...current.session, refusedAtMs: [...refusedAtMs, clock()] });
    } finally {
      await lease.release();
    }
  };
}
