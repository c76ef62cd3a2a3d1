import { backoffMs } from '../concurrency/backoff.ts';
import { shareRuns } from '../concurrency/shared-run.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';

/** Finds a provider before its first use, and keeps trying until it is found. */
export type Discovery<Found> = {
  /** Returns the result; undefined until the provider is found. */
  current(): Found | undefined;
  /** Returns the result; without one, tries again at once. Throws `provider_unavailable`. */
  get(): Promise<Found>;
  /** Tries now and retries with growing pauses until the provider is found. Settles after the first attempt; never rejects. */
  start(): Promise<void>;
  /** Why the last attempt failed, while nothing has been found; for operators, without secrets. */
  failure(): string | undefined;
  close(): void;
};

const PAUSES = { firstMs: 500, longestMs: 30_000 };

/** Runs `discover` once at a time, however many callers wait for it. */
export function createDiscovery<Found>(deps: {
  discover: () => Promise<Found>;
  onFound: () => void;
  issuer: string;
  log: Logger;
}): Discovery<Found> {
  const { discover, onFound, issuer, log } = deps;
  let found: Found | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;
  let failure: string | undefined;

  const tryOnce = shareRuns(async (): Promise<Found> => {
    try {
      const result = await discover();
      log.info({ issuer }, 'provider ready');
      failures = 0;
      failure = undefined;
      onFound();
      return (found = result);
    } catch (error) {
      failures += 1;
      failure = reasonOf(error);
      // Only the first failure is an error: an hour of downtime must not fill the log. `close` aborts the last attempt.
      if (!closed)
        log[failures === 1 ? 'error' : 'debug']({ issuer, err: error }, 'provider not ready; retrying');
      throw error;
    }
  });

  const keepTrying = async () => {
    // A caller of `get` may have found it during the pause.
    if (found !== undefined) return;
    try {
      await tryOnce();
    } catch {
      if (!closed) timer = setTimeout(() => void keepTrying(), backoffMs(failures, PAUSES));
    }
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
    start: keepTrying,
    failure: () => (found === undefined ? failure : undefined),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** The message of an error and of what caused it: the message of a library ("fetch failed") often only wraps the reason. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no reason was given';
  const inner = error.cause instanceof Error ? reasonOf(error.cause) : '';
  // Node.js gives an error without a message for a host with several addresses (AggregateError), but with a code.
  const own = error.message === '' && 'code' in error ? String(error.code) : error.message;
  return inner === '' || own.includes(inner) ? own : `${own}: ${inner}`;
}
