/** A lock that the caller holds. */
export type Lease = {
  /** When the wait for the lock began (epoch ms): every attempt to take it since then has reached a store that takes writes. */
  readonly waitingSinceMs: number;
  /** False once the lifetime of the lock may have run out, even if this process was suspended meanwhile. */
  isHeld(): boolean;
  /**
   * Releases the lock if this lease still holds it. With `failed`, current waiters get no lease: the work that they wait
   * to do has just failed. Never throws.
   */
  release(outcome?: 'failed'): Promise<void>;
};

/** Locks by name. */
export type Locks = {
  /**
   * Waits for a lock until `deadlineMs` (milliseconds since the epoch). Gives undefined when the deadline passes, or when
   * the holder releases the lock with `failed`.
   */
  acquire(name: string, deadlineMs: number): Promise<Lease | undefined>;
  close(): void;
};
