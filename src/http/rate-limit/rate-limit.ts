import type { RequestHandler } from 'express';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { RateCounters } from '../../redis/rate-counter.ts';
import { createLeakyBuckets } from './leaky-bucket.ts';
import { clientNetwork } from '../inbound/client-network.ts';
import { requestContextOf } from '../inbound/request-context.ts';

/**
 * Counts one more for a subject: a client's address, a session, a user name. Throws `rate_limited`, and has then counted
 * nothing.
 */
export type RateLimit = (subject: string) => Promise<void>;

/**
 * Makes limits of so many a minute: so many at once, and then one more each time that share of a minute has passed; 0 is
 * no limit. A limit's name tells its counts from those of the others.
 */
export type RateLimits = {
  /** A limit that is exact over all processes: it asks Redis each time. */
  synchronous(name: string, perMinute: number): RateLimit;
  /**
   * A limit that makes nobody wait: it is exact in one process, and the processes tell each other ten times a second.
   * What they let through too much meanwhile is counted all the same, and is made up for.
   */
  eventual(name: string, perMinute: number): RateLimit;
};

const MINUTE_MS = 60_000;
/** How long what a swift limit let through stays untold, in milliseconds. */
const TELL_AFTER_MS = 100;
/**
 * How long Redis is left alone after it has failed, in milliseconds: it would make every request wait. No circuit breaker,
 * which bears two failures first: the count of this process goes on meanwhile, and nothing is refused.
 */
const FAILED_MS = 1_000;

/**
 * Limits counted in this process, and over all processes in `levels` if there are any.
 *
 * SECURITY: the process counts first. A flood is refused without asking anybody, and while Redis is away each process
 * goes on by its own count: nobody is locked out, and nobody gets more than the limit from each process.
 */
export function createRateLimits(deps: {
  levels: RateCounters | undefined;
  clock: () => number;
}): RateLimits {
  const { levels, clock } = deps;
  let failedUntilMs = 0;

  const open = (name: string, perMinute: number) => {
    const portionMs = Math.round(MINUTE_MS / perMinute);
    const sizeMs = perMinute * portionMs;
    return {
      portionMs,
      sizeMs,
      buckets: createLeakyBuckets({ sizeMs, portionMs, clock }),
      /** The level that all processes raise; 0 when there is none, or when it cannot be reached. */
      async raise(subject: string, byMs: number, limitMs: number): Promise<number> {
        if (levels === undefined || clock() < failedUntilMs) return 0;
        return levels.add(`${name}:${hashIdentifier('rate', subject)}`, byMs, limitMs).catch(() => {
          failedUntilMs = clock() + FAILED_MS;
          return 0;
        });
      },
    };
  };

  return {
    synchronous(name, perMinute) {
      if (perMinute === 0) return unlimited;
      const { buckets, raise, portionMs, sizeMs } = open(name, perMinute);
      return async (subject) => {
        allow(buckets.tryTake(subject));
        const waitMs = (await raise(subject, portionMs, sizeMs)) - sizeMs;
        // Until then nobody has to be asked again.
        if (waitMs > 0) buckets.block(subject, waitMs);
        allow(waitMs);
      };
    },

    eventual(name, perMinute) {
      if (perMinute === 0) return unlimited;
      const { buckets, raise, portionMs, sizeMs } = open(name, perMinute);
      const untold = new Map<string, number>();
      const tell = () => {
        for (const [subject, count] of untold) {
          void raise(subject, count * portionMs, Number.MAX_SAFE_INTEGER).then((level) => {
            const waitMs = level + portionMs - sizeMs;
            if (waitMs > 0) buckets.block(subject, waitMs);
          });
        }
        untold.clear();
      };
      return async (subject) => {
        allow(buckets.tryTake(subject));
        if (levels === undefined) return;
        if (untold.size === 0) setTimeout(tell, TELL_AFTER_MS).unref();
        untold.set(subject, (untold.get(subject) ?? 0) + 1);
      };
    },
  };
}

/** A limit on an endpoint for each client, by the address it comes from. */
export function limitClients(limit: RateLimit): RequestHandler {
  return async function limitClient(_request, response, next) {
    await limit(clientNetwork(requestContextOf(response).clientAddress));
    next();
  };
}

const unlimited: RateLimit = async () => undefined;

function allow(waitMs: number): void {
  if (waitMs <= 0) return;
  throw new GatewayError('rate_limited', {
    detail: 'Too many requests. Try again later.',
    retryAfterSeconds: Math.ceil(waitMs / 1000),
  });
}
