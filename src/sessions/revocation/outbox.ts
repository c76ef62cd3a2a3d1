import { createBoundedMap } from '../../concurrency/bounded-map.ts';

/** Where refresh tokens are kept that are to be revoked and are not yet. */
export type RevocationOutbox = {
  /** Keeps a token. Who does has it first: nobody else takes it before the lease is over. */
  keep(refreshToken: string): Promise<PendingRevocation>;
  /** Takes up to `count` whose time has come; each goes to one of all who ask, for as long as the lease. */
  take(count: number): Promise<PendingRevocation[]>;
};

/** A revocation in the hands of one process. */
export type PendingRevocation = {
  readonly refreshToken: string;
  /** Since when it is kept, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Puts it back, to be taken from `atMs` on. */
  putBack(atMs: number): Promise<void>;
  /** Forgets it: it is through, or given up. */
  forget(): Promise<void>;
};

/** How long a revocation is tried, in milliseconds: what is not through by then is given up. */
export const MAX_AGE_MS = 86_400_000;

/** An outbox in this process, which ends with it. */
export type LocalOutbox = RevocationOutbox & {
  /** Takes everything, whether its time has come or not. */
  takeAll(): PendingRevocation[];
};

/** How many tokens a process keeps at most; the oldest is given up for one more. */
const MAX_KEPT = 10_000;

export function createLocalOutbox(deps: { leaseMs: number; clock: () => number }): LocalOutbox {
  const { leaseMs, clock } = deps;
  const kept = createBoundedMap<PendingRevocation, { dueAtMs: number }>({ maxEntries: MAX_KEPT });

  const isDue = (pending: PendingRevocation) => (kept.get(pending)?.dueAtMs ?? Infinity) <= clock();
  /** A token that is kept already stays as old as it is: the oldest is given up first, however often it is tried. */
  const keepUntilDue = (pending: PendingRevocation, dueAtMs: number) => {
    const entry = kept.get(pending);
    if (entry === undefined) kept.set(pending, { dueAtMs });
    else entry.dueAtMs = dueAtMs;
  };
  const lease = (pending: PendingRevocation) => keepUntilDue(pending, clock() + leaseMs);

  return {
    async keep(refreshToken) {
      const pending: PendingRevocation = {
        refreshToken,
        sinceMs: clock(),
        putBack: async (atMs) => keepUntilDue(pending, atMs),
        forget: async () => kept.delete(pending),
      };
      lease(pending);
      return pending;
    },

    async take(count) {
      const taken = [...kept.keys()].filter(isDue).slice(0, count);
      taken.forEach(lease);
      return taken;
    },

    takeAll: () => [...kept.keys()],
  };
}
