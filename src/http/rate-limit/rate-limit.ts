import type { RequestHandler, Response } from 'express';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { RateCounters } from '../../redis/rate-counter.ts';
import { createLeakyBuckets } from '../../concurrency/leaky-bucket.ts';
import { clientNetwork } from '../inbound/client-network.ts';
import { requestContextOf } from '../inbound/request-context.ts';

/**
 * Counts one use by a subject, such as a client address, a session or a user name. Throws `rate_limited` when the limit
 * is reached; a rejected use is not counted.
 */
export type RateLimit = (subject: string) => Promise<void>;

/** A limit whose uses can be returned, so that it finally counts only some of them. */
export type RefundableLimit = {
  /** Counts one use, or throws. Concurrent uses count before their outcome is known. */
  readonly take: RateLimit;
  /** Takes back one use that was counted. Never throws. */
  readonly giveBack: RateLimit;
};

/**
 * Creates limits of `perMinute` uses: a burst of that many, refilled evenly over a minute. 0 means no limit. The name
 * separates a limit's counters from those of other limits.
 */
export type RateLimits = {
  /** A limit that is exact across all processes: each use is a Redis call. */
  synchronous(name: string, perMinute: number): RateLimit;
  /** The same, with a way to take a use back; `windowMs` replaces the minute. */
  refundable(name: string, uses: number, windowMs?: number): RefundableLimit;
  /**
   * A limit that never waits for Redis: it is exact within one process, and processes report their counts ten times a
   * second. Uses beyond the shared limit in between still count and shorten the budget that follows.
   */
  eventual(name: string, perMinute: number): RateLimit;
};

const MINUTE_MS = 60_000;
/** How often an eventual limit reports its counts to Redis, in milliseconds. */
const REPORT_INTERVAL_MS = 100;
/**
 * How long the limits skip Redis after a failed call, in milliseconds, so that requests do not wait for it. A circuit
 * breaker would tolerate more failures first, and needs none: the counts of this process continue meanwhile.
 */
const REDIS_PAUSE_MS = 1_000;

/**
 * Counts in this process, and across all processes if there are `rateCounters`.
 *
 * SECURITY: the process counts first. It rejects a flood without a Redis call. While Redis is down, each process uses its
 * own counts: no client is locked out, and no client gets more than the limit from each process.
 */
export function createRateLimits(deps: {
  rateCounters: RateCounters | undefined;
  clock: () => number;
}): RateLimits {
  const { rateCounters, clock } = deps;
  let pausedUntilMs = 0;

  /** By name: a reload creates the same limits again, and their counts go on unless their size has changed. */
  const counters = new Map<string, { uses: number; counter: ReturnType<typeof createCounter> }>();
  const counterOf = (name: string, uses: number, windowMs = MINUTE_MS) => {
    const existing = counters.get(name);
    if (existing?.uses === uses) return existing.counter;
    const counter = createCounter(name, uses, windowMs);
    counters.set(name, { uses, counter });
    return counter;
  };
  const createCounter = (name: string, uses: number, windowMs: number) => {
    const costMs = Math.round(windowMs / uses);
    const sizeMs = uses * costMs;
    return {
      costMs,
      sizeMs,
      buckets: createLeakyBuckets({ sizeMs, costMs, clock }),
      /** Adds to the counter in Redis and returns its level; returns 0 without Redis or while it is unreachable. */
      async addShared(subject: string, byMs: number, limitMs: number): Promise<number> {
        if (rateCounters === undefined || clock() < pausedUntilMs) return 0;
        return rateCounters.add(`${name}:${hashIdentifier('rate', subject)}`, byMs, limitMs).catch(() => {
          pausedUntilMs = clock() + REDIS_PAUSE_MS;
          return 0;
        });
      },
    };
  };

  const refundable: RateLimits['refundable'] = (name, uses, windowMs) => {
    if (uses === 0) return { take: unlimited, giveBack: unlimited };
    const { buckets, addShared, costMs, sizeMs } = counterOf(name, uses, windowMs);
    return {
      async take(subject) {
        throwIfLimited(buckets.tryTake(subject), name);
        const waitMs = (await addShared(subject, costMs, sizeMs)) - sizeMs;
        // Until then this process rejects the subject without a Redis call.
        if (waitMs > 0) buckets.block(subject, waitMs);
        throwIfLimited(waitMs, name);
      },
      async giveBack(subject) {
        buckets.giveBack(subject);
        await addShared(subject, -costMs, sizeMs);
      },
    };
  };

  return {
    synchronous: (name, perMinute) => refundable(name, perMinute).take,
    refundable,

    eventual(name, perMinute) {
      if (perMinute === 0) return unlimited;
      const { buckets, addShared, costMs, sizeMs } = counterOf(name, perMinute);
      const unreported = new Map<string, number>();
      const report = () => {
        for (const [subject, count] of unreported) {
          void addShared(subject, count * costMs, Number.MAX_SAFE_INTEGER).then((levelMs) => {
            const waitMs = levelMs + costMs - sizeMs;
            if (waitMs > 0) buckets.block(subject, waitMs);
          });
        }
        unreported.clear();
      };
      return async (subject) => {
        throwIfLimited(buckets.tryTake(subject), name);
        if (rateCounters === undefined) return;
        if (unreported.size === 0) setTimeout(report, REPORT_INTERVAL_MS).unref();
        unreported.set(subject, (unreported.get(subject) ?? 0) + 1);
      };
    },
  };
}

/** Applies a limit to each client, by its network address. */
export function limitClients(limit: RateLimit): RequestHandler {
  return async function limitClient(_request, response, next) {
    await limit(clientNetworkOf(response));
    next();
  };
}

/** The network of the client of a request, which limits count. */
export function clientNetworkOf(response: Response): string {
  return clientNetwork(requestContextOf(response).clientAddress);
}

const unlimited: RateLimit = async () => undefined;

/** Throws `rate_limited` when a client has to wait. `limit` is the name that metrics have. */
export function throwIfLimited(waitMs: number, limit: string): void {
  if (waitMs <= 0) return;
  throw new GatewayError('rate_limited', {
    detail: 'Too many requests. Try again later.',
    limit,
    retryAfterSeconds: Math.ceil(waitMs / 1000),
  });
}
