import { createBoundedMap } from '../../concurrency/bounded-map.ts';

/** A refresh token to revoke. */
export type RevocationRequest = {
  readonly refreshToken: string;
  /** The issuer of the token; undefined for one that a former version has queued. */
  readonly issuer: string | undefined;
};

/** A queue of refresh tokens that have to be revoked. */
export type RevocationOutbox = {
  /** Adds a token and leases it to the caller: nobody else can claim it before the lease ends. */
  add(request: RevocationRequest): Promise<PendingRevocation>;
  /** Leases up to `count` due tokens to the caller. Of concurrent callers, one gets each token. */
  claim(count: number): Promise<PendingRevocation[]>;
};

/** A revocation that is leased to one process. */
export type PendingRevocation = RevocationRequest & {
  /** Milliseconds since the epoch. */
  readonly addedAtMs: number;
  /** Returns the token to the outbox; it is due from `atMs` on. */
  reschedule(atMs: number): Promise<void>;
  /** Removes the token, once it is revoked or given up. */
  remove(): Promise<void>;
};

/** The age at which a revocation is given up, in milliseconds. */
export const MAX_AGE_MS = 86_400_000;

/** An outbox in the memory of this process. */
export type LocalOutbox = RevocationOutbox & {
  /** Gives every token, due or not. */
  claimAll(): PendingRevocation[];
};

/** The maximum number of tokens in memory, and their maximum size in bytes; one more drops the oldest. */
const MAX_ENTRIES = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;

export function createLocalOutbox(deps: { leaseMs: number; clock: () => number }): LocalOutbox {
  const { clock } = deps;
  const entries = createBoundedMap<PendingRevocation, { dueAtMs: number; readonly bytes: number }>({
    maxEntries: MAX_ENTRIES,
    maxSize: MAX_BYTES,
    sizeOf: ({ bytes }) => bytes,
  });

  const isDue = (pending: PendingRevocation) => (entries.get(pending)?.dueAtMs ?? Infinity) <= clock();
  /** Keeps the position of a token that is already there: the oldest is dropped first, however often it is retried. */
  const setDueTime = (pending: PendingRevocation, dueAtMs: number) => {
    const entry = entries.get(pending);
    if (entry === undefined) entries.set(pending, { dueAtMs, bytes: pending.refreshToken.length });
    else entry.dueAtMs = dueAtMs;
  };
  const lease = (pending: PendingRevocation) => setDueTime(pending, clock() + deps.leaseMs);

  return {
    async add(request) {
      const pending: PendingRevocation = {
        ...request,
        addedAtMs: clock(),
        reschedule: async (atMs) => setDueTime(pending, atMs),
        remove: async () => entries.delete(pending),
      };
      lease(pending);
      return pending;
    },

    async claim(count) {
      const claimed = [...entries.keys()].filter(isDue).slice(0, count);
      claimed.forEach(lease);
      return claimed;
    },

    claimAll: () => [...entries.keys()],
  };
}
