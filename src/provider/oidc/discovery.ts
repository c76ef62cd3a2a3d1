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
  /** Why the last attempt failed, while nothing has been found; for operators, without secrets. */
  failure(): string | undefined;
  close(): void;
};

const PAUSES = { firstMs: 500, longestMs: 30_000 };

/** Looks for a provider with one attempt at a time, however many ask. */
export function createDiscovery<Found>(deps: {
  look: () => Promise<Found>;
  onFound: () => void;
  issuer: string;
  log: Logger;
}): Discovery<Found> {
  const { look, onFound, issuer, log } = deps;
  let found: Found | undefined;
  let attempt: Promise<Found> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;
  let failure: string | undefined;

  const tryOnce = (): Promise<Found> => {
    attempt ??= look()
      .then(
        (result) => {
          log.info({ issuer }, 'provider ready');
          failures = 0;
          failure = undefined;
          onFound();
          return (found = result);
        },
        (error: unknown) => {
          failures += 1;
          failure = reasonOf(error);
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
          ...(failure !== undefined && { reason: failure }),
          retryAfterSeconds: 5,
          cause,
        });
      }
    },
    start: keepLooking,
    failure: () => (found === undefined ? failure : undefined),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** The message of an error and of what caused it: a library's own words ("fetch failed") often only wrap the reason. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason was given';
  const inner = error.cause instanceof Error ? reasonOf(error.cause) : '';
  // Node.js gives an error without a message for a host with several addresses (AggregateError), but with a code.
  const own = error.message === '' && 'code' in error ? String(error.code) : error.message;
  return inner === '' || own.includes(inner) ? own : `${own}: ${inner}`;
}
