import { describe, expect, it } from 'vitest';
import { refreshSchema } from '../../src/config/schema/refresh.ts';
import {
  DECOUPLED_LATE_MS,
  DECOUPLED_LIFETIME_MS,
  LOGIN_LIFETIME_MS,
  lockRenewalIntervalMs,
  MISSING_VERSION_MS,
  OUTAGE_GRACE_MS,
  PEER_SNAPSHOTS_TIMEOUT_MS,
  PENDING_WRITE_RETRY,
  pollClaimMs,
  RECONNECT_GRACE_MS,
  REDIS_COMMAND_TIMEOUT_MS,
  REDIS_RECONNECT,
  refreshWaits,
  RESPONSE_GRACE_MS,
  revocationLeaseMs,
  SIGN_IN_REFUSAL_MS,
  spendMarkMs,
  UPGRADED_DRAIN_MS,
  WEBSOCKET_CLOSE_MS,
  WORKER_SNAPSHOT_TIMEOUT_MS,
} from '../../src/timing.ts';

const defaults = refreshSchema.parse({});
const settings = [defaults, { lockTtl: 2_000, timeout: 1_000 }, { lockTtl: 120_000, timeout: 119_999 }];

describe('the grace after an outage of Redis', () => {
  it('the outage grace is longer than reconnecting and writing new tokens together', () => {
    expect(OUTAGE_GRACE_MS).toBeGreaterThan(REDIS_RECONNECT.longestMs + PENDING_WRITE_RETRY.longestMs);
    expect(OUTAGE_GRACE_MS).toBe(2_500);
  });

  it('the outage grace is longer than a command that hangs in the outage', () => {
    expect(OUTAGE_GRACE_MS).toBeGreaterThan(REDIS_COMMAND_TIMEOUT_MS);
  });

  it('the outage grace is shorter than the default lifetime of a lock, so that waiting loses no lock', () => {
    expect(OUTAGE_GRACE_MS).toBeLessThan(defaults.lockTtl - lockRenewalIntervalMs(defaults.lockTtl));
  });
});

describe('the spend mark', () => {
  it.each(settings)(
    'the spend mark outlasts a token endpoint call with a late response, by the write of its result: %o',
    (refresh) => {
      expect(spendMarkMs(refresh)).toBe(refresh.timeout + RESPONSE_GRACE_MS + 500);
    },
  );

  it('the spend mark expires by default before the lock of a killed holder, so that it delays nobody', () => {
    expect(spendMarkMs(defaults)).toBeLessThan(defaults.lockTtl - lockRenewalIntervalMs(defaults.lockTtl));
  });
});

describe('the wait for a connection that was lost', () => {
  it('the wait for a lost connection is shorter than the command time-out', () => {
    expect(RECONNECT_GRACE_MS).toBeLessThan(REDIS_COMMAND_TIMEOUT_MS);
  });

  it('the wait for a lost connection is longer than the first pauses of reconnecting', () => {
    expect(RECONNECT_GRACE_MS).toBeGreaterThan(2 * REDIS_RECONNECT.firstMs);
  });
});

describe('the lock of a session', () => {
  it('the lock of a session is renewed at least twice before it expires, each time within the command time-out', () => {
    expect(lockRenewalIntervalMs(defaults.lockTtl) * 2).toBeLessThan(defaults.lockTtl);
    expect(lockRenewalIntervalMs(defaults.lockTtl)).toBeGreaterThan(REDIS_COMMAND_TIMEOUT_MS);
  });

  it('the lock of a session lives longer by default than a call of the token endpoint', () => {
    expect(defaults.lockTtl).toBeGreaterThan(defaults.timeout);
  });

  it.each(settings)(
    'the wait for the lock outlasts the lock of a killed holder by a whole call: %o',
    (refresh) => {
      const { lockWaitMs, waitMs } = refreshWaits(refresh);
      expect(lockWaitMs).toBe(refresh.lockTtl + refresh.timeout);
      expect(lockWaitMs).toBeGreaterThan(refresh.lockTtl);
      expect(waitMs).toBe(refresh.timeout);
    },
  );
});

describe('the time for which a logout rejects earlier sign-ins', () => {
  it('the time for which a logout rejects earlier sign-ins outlasts every login attempt', () => {
    expect(SIGN_IN_REFUSAL_MS).toBeGreaterThan(LOGIN_LIFETIME_MS);
  });

  it('the time for which a logout rejects earlier sign-ins outlasts every sign-in on another device', () => {
    expect(SIGN_IN_REFUSAL_MS).toBeGreaterThan(DECOUPLED_LIFETIME_MS + DECOUPLED_LATE_MS);
    expect(SIGN_IN_REFUSAL_MS).toBe(66 * 60_000);
  });
});

describe('the claim of a poll for a sign-in on another device', () => {
  it.each([{ maxPollMs: 1_000 }, { maxPollMs: 20_000 }])(
    'the claim of a poll outlasts the poll with a late response and the commands around it: %o',
    (login) => {
      expect(pollClaimMs(login)).toBeGreaterThan(
        login.maxPollMs + RESPONSE_GRACE_MS + REDIS_COMMAND_TIMEOUT_MS,
      );
    },
  );
});

describe('the time that a missing newer version blocks the older one', () => {
  it('the time that a missing newer version blocks the older one outlasts the writes after an outage', () => {
    expect(MISSING_VERSION_MS).toBeGreaterThan(2 * (OUTAGE_GRACE_MS + REDIS_COMMAND_TIMEOUT_MS));
    expect(MISSING_VERSION_MS).toBe(60_000);
  });
});

describe('the time that an upgraded connection has when its process stops', () => {
  it('the time of an upgraded connection outlasts the close of its WebSocket', () => {
    expect(UPGRADED_DRAIN_MS).toBeGreaterThan(2 * WEBSOCKET_CLOSE_MS);
  });
});

describe('the time-out of a worker snapshot', () => {
  it('the time-out of a worker snapshot is shorter than the wait for all peers, so that one slow worker does not hide the others', () => {
    expect(WORKER_SNAPSHOT_TIMEOUT_MS).toBe(600);
    expect(WORKER_SNAPSHOT_TIMEOUT_MS).toBeLessThan(PEER_SNAPSHOTS_TIMEOUT_MS.probe);
    expect(PEER_SNAPSHOTS_TIMEOUT_MS).toEqual({ probe: 800, scrape: 5_000 });
  });

  it('the time-out of a worker snapshot leaves a probe that waits one second time to read the response', () => {
    expect(PEER_SNAPSHOTS_TIMEOUT_MS.probe).toBeLessThan(1_000);
  });

  it('the time-out of a worker snapshot leaves a scrape seconds of a machine under load, and Prometheus time to read it', () => {
    expect(PEER_SNAPSHOTS_TIMEOUT_MS.scrape).toBeGreaterThan(5 * WORKER_SNAPSHOT_TIMEOUT_MS);
    expect(PEER_SNAPSHOTS_TIMEOUT_MS.scrape).toBeLessThan(10_000);
  });
});

describe('the lease of a revocation', () => {
  it.each([...settings, { timeout: 100 }])(
    'the lease of a revocation outlasts finding the provider and calling it, each with a late response: %o',
    ({ timeout }) => {
      expect(revocationLeaseMs({ timeout })).toBeGreaterThan(2 * (timeout + RESPONSE_GRACE_MS));
    },
  );
});
