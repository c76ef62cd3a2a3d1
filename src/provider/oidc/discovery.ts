import { backoffMs } from '../../concurrency/backoff.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';

/** Something that has to be found before it can be used, and is looked for until it is. */
export type Discovery<Found> = {
  /** What was found, or undefined so far. */
  current(): Found | undefined;
  /** What was found; looks once more, at once, when nothing was. Throws `provider_unavailable`. */
  get(): Promise<Found>;
  /** Looks now, and again with growing pauses until found. */
  start(): void;
  close(): void;
};

const PAUSES = { firstMs: 500, longestMs: 30_000 };

/** Looks for a provider with one attempt at a time, however many ask. */
export function createDiscovery<Found>(deps: {
  look: () => Promise<Found>;
  issuer: string;
  log: Logger;
}): Discovery<Found> {
  const { look, issuer, log } = deps;
  let found: Found | undefined;
  let attempt: Promise<Found> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;

  const tryOnce = (): Promise<Found> => {
    attempt ??= look()
      .then(
        (result) => {
          log.info({ issuer }, 'provider ready');
          failures = 0;
          return (found = result);
        },
        (error: unknown) => {
          failures += 1;
          // Once loudly, then quietly: a provider that is away for an hour fills no log.
          log[failures === 1 ? 'error' : 'debug']({ issuer, err: error }, 'provider not ready; retrying');
          throw error;
        },
      )
      .finally(() => (attempt = undefined));
    return attempt;
  };

  const keepLooking = () => {
    // Somebody who asked may have found it during the pause.
    if (found !== undefined) return;
    tryOnce().catch(() => {
      if (closed) return;
      timer = setTimeout(keepLooking, backoffMs(failures, PAUSES));
    });
  };

  return {
    current: () => found,
    async get() {
      if (found !== undefined) return found;
      try {
        return await tryOnce();
      } catch (cause) {
        throw new GatewayError('provider_unavailable', {
          detail: 'The identity provider cannot be reached. Try again.',
          retryAfterSeconds: 5,
          cause,
        });
      }
    },
    start: keepLooking,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
