/*
 * Durations that must stay in proportion to each other, in milliseconds. test/unit/timing.test.ts checks the proportions.
 */

/** The time-out of one Redis operation and of the first connection. A time-out counts as an outage. */
export const REDIS_COMMAND_TIMEOUT_MS = 2_000;

/** How long an operation waits for a lost connection to come back; most reconnect at once. */
export const RECONNECT_GRACE_MS = 250;

/** How long all calls of the store or the provider must succeed after an outage before it counts as available again. */
export const OUTAGE_RECOVERY_MS = 5_000;

/** How often the log counts the failures of an outage. */
export const OUTAGE_REPORT_INTERVAL_MS = 30_000;

/** The back-off between attempts to reconnect to Redis. */
export const REDIS_RECONNECT = { firstMs: 50, longestMs: 1_000 } as const;

/** The back-off between attempts to write new tokens after a failed write to the store. */
export const PENDING_WRITE_RETRY = { firstMs: 50, longestMs: 1_000 } as const;

/**
 * How long a response of the provider may still arrive after the timeout of its call. After a suspended process resumes, its
 * timers fire before it reads what arrived meanwhile, which may be the only copy of a rotated refresh token.
 */
export const RESPONSE_GRACE_MS = 250;

/** The longest time to write the result of a call of the token endpoint. */
const WRITE_MS = 500;

/** How long a process may take to write new tokens once Redis is back and a back-off has ended. */
const CONNECT_AND_WRITE_MS = 1_500;

/**
 * How long after a lost connection to Redis no process reads a session under a new lock, and how long a process that finds
 * the spend mark of another one waits for it: a process with new tokens may need this long to reconnect and write them. It
 * waits for one back-off only: it writes as soon as it has reconnected, and does not reconnect after a rejected write.
 */
export const OUTAGE_GRACE_MS =
  Math.max(REDIS_RECONNECT.longestMs, PENDING_WRITE_RETRY.longestMs) + CONNECT_AND_WRITE_MS;

/**
 * How long a newer version of a record that no process writes again blocks the older one: many times as long as the process
 * that had it needs to write it.
 */
export const MISSING_VERSION_MS = 24 * OUTAGE_GRACE_MS;

/** How long a login attempt lasts: the user may take this long at the provider. */
export const LOGIN_LIFETIME_MS = 600_000;

/** How long the login URL of a `step_up_required` may be used: the user may take this long to click. */
export const STEP_UP_LINK_LIFETIME_MS = 600_000;

/** The longest lifetime of a pending sign-in on another device, whatever the provider's `expires_in`. */
export const DECOUPLED_LIFETIME_MS = 3_600_000;

/**
 * How long after its end a pending sign-in on another device may still be polled: the user may have approved it just before,
 * and only the provider knows.
 */
export const DECOUPLED_LATE_MS = 60_000;

/** The longest time that the token request of a sign-in takes and the clocks of the replicas differ by, together. */
const SIGN_IN_MARGIN_MS = 300_000;

/**
 * How long a back-channel logout or an operator's request rejects the owner's sign-ins that started before it: longer than a
 * sign-in of any kind lasts.
 */
export const SIGN_IN_REFUSAL_MS =
  Math.max(LOGIN_LIFETIME_MS, DECOUPLED_LIFETIME_MS + DECOUPLED_LATE_MS) + SIGN_IN_MARGIN_MS;

/** The pause between tests of the store until one has succeeded. */
export const STORE_TEST_PAUSE_MS = 1_000;

/** How long the current frame of a WebSocket may take to end, and a browser to respond to the close frame. */
export const WEBSOCKET_CLOSE_MS = 1_000;

/** How long an upgraded connection has to end when its process stops: longer than its WebSocket takes to close. */
export const UPGRADED_DRAIN_MS = 2.5 * WEBSOCKET_CLOSE_MS;

/** How far the clock of the provider may be off, in seconds. */
export const PROVIDER_CLOCK_TOLERANCE_SECONDS = 60;

/** How long the supervisor waits for the snapshot of one worker. */
export const WORKER_SNAPSHOT_TIMEOUT_MS = 600;

/**
 * How long a worker waits for the supervisor to collect the snapshots of its peers: probes usually wait one second in total, and
 * scrapes ten. The supervisor needs the time above for a worker that hangs, and more on a machine under load.
 */
export const PEER_SNAPSHOTS_TIMEOUT_MS = { probe: 800, scrape: 5_000 } as const;

/** How long the supervisor waits for a worker to reload, besides the time for the metadata of a changed provider. */
export const WORKER_RELOAD_TIMEOUT_MS = 10_000;

/**
 * How often the supervisor pings a worker, and after how many missed responses in a row the worker counts as hanging; one that
 * does not serve yet has more intervals, because a machine under load may take long to start it.
 */
export const HEARTBEAT = { intervalMs: 3_000, unanswered: 5, untilServing: 15 } as const;

/** How often the holder of a lock renews it. */
export function lockRenewalIntervalMs(lockTtlMs: number): number {
  return lockTtlMs / 3;
}

/**
 * How long a spend mark lasts: one call of the token endpoint, which starts after the mark is written, and the write of its
 * result.
 */
export function spendMarkMs(refresh: { readonly timeout: number }): number {
  return refresh.timeout + RESPONSE_GRACE_MS + WRITE_MS;
}

/**
 * `lockWaitMs` is how long a refresh waits for the lock of its session. A killed holder blocks it for `lockTtl`, a live one
 * for a token endpoint call. `waitMs` is how long a request waits, whatever the refresh itself waits for.
 */
export function refreshWaits(refresh: { readonly lockTtl: number; readonly timeout: number }): {
  lockWaitMs: number;
  waitMs: number;
} {
  return { lockWaitMs: refresh.lockTtl + refresh.timeout, waitMs: refresh.timeout };
}

/** How long a process owns a revocation: longer than one attempt, which includes discovery and the call itself. */
export function revocationLeaseMs(provider: { readonly timeout: number }): number {
  return (provider.timeout + RESPONSE_GRACE_MS) * 3;
}

/**
 * How long the claim of a replica to poll for a sign-in on another device lasts: as long as the poll itself and the two
 * commands to Redis around it.
 */
export function pollClaimMs(login: { readonly maxPollMs: number }): number {
  return login.maxPollMs + RESPONSE_GRACE_MS + 2 * REDIS_COMMAND_TIMEOUT_MS;
}
