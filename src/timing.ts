/*
 * Durations that must stay in proportion to each other, in milliseconds: whoever changes one finds the others beside it.
 * test/unit/timing.test.ts states the proportions.
 */

/** How long one operation in Redis may take before it counts as an outage; also the first connection. */
export const REDIS_COMMAND_TIMEOUT_MS = 2_000;

/** How long an operation waits for a connection that has just been lost: most come back at once. */
export const RECONNECT_GRACE_MS = 250;

/** The pauses between attempts to reconnect to Redis. */
export const REDIS_RECONNECT = { firstMs: 50, longestMs: 1_000 } as const;

/** The pauses between attempts to write new tokens that the store could not take. */
export const PENDING_WRITE_RETRY = { firstMs: 50, longestMs: 1_000 } as const;

/** How long it takes at most to connect and to write, once Redis is back and the pauses are over. */
const CONNECT_AND_WRITE_MS = 500;

/**
 * How long after an outage of Redis nobody reads a session under a new lock: the slowest process that holds new tokens
 * needs this long to reconnect and to write them.
 */
export const OUTAGE_GRACE_MS =
  REDIS_RECONNECT.longestMs + PENDING_WRITE_RETRY.longestMs + CONNECT_AND_WRITE_MS;

/** How long a login attempt lasts: the user may take this long at the provider. */
export const LOGIN_LIFETIME_MS = 600_000;

/**
 * How long a back-channel logout or an administrator's request refuses the owner's sign-ins that started before it. Longer
 * than an attempt lasts, with a margin for its token request and for the clocks of the replicas.
 */
export const SIGN_IN_REFUSAL_MS = LOGIN_LIFETIME_MS * 1.5;

/** How long a readiness check waits for the store. Probes usually wait one second in all. */
export const READINESS_CHECK_TIMEOUT_MS = 500;

/** How long the supervisor waits for the snapshot of one worker, which includes its readiness check. */
export const WORKER_SNAPSHOT_TIMEOUT_MS = READINESS_CHECK_TIMEOUT_MS * 1.2;

/** How long a worker waits for the supervisor to collect the snapshots of its peers. */
export const PEER_SNAPSHOTS_TIMEOUT_MS = READINESS_CHECK_TIMEOUT_MS * 1.6;

/** A lock is renewed so often while it is held. */
export function lockRenewalIntervalMs(lockTtlMs: number): number {
  return lockTtlMs / 3;
}

/** After an outage longer than this, locks may have lapsed that are still needed: the grace applies. */
export function outageThatNeedsGraceMs(lockTtlMs: number): number {
  return lockTtlMs / 2;
}

/**
 * How long refreshes are waited for. `lockWaitMs`: a refresh for the lock of its session, which a killed holder keeps for
 * its lifetime, and a living one for a call of the token endpoint. `waitMs`: a request, whatever the refresh waits for.
 */
export function refreshWaits(refresh: { readonly lockTtl: number; readonly timeout: number }): {
  lockWaitMs: number;
  waitMs: number;
} {
  return { lockWaitMs: refresh.lockTtl + refresh.timeout, waitMs: refresh.timeout };
}

/** How long a process has a revocation to itself: longer than one attempt, which finds the provider and calls it. */
export function revocationLeaseMs(refresh: { readonly timeout: number }): number {
  return refresh.timeout * 3;
}
