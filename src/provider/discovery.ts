import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';

/** Finds a provider before its first use, and keeps trying until it is found. */
export type Discovery<Found> = {
  /** The result; undefined until the provider is found. */
  current(): Found | undefined;
  /** The result; tries once more, at once, when there is none. Throws `provider_unavailable`. */
  get(): Promise<Found>;
  /** Tries now, and again with growing pauses until the provider is found. */
  start(): void;
  close(): void;
};

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** Runs `discover` once at a time, however many callers wait for it. */
export function createDiscovery<Found>(deps: {
  discover: () => Promise<Found>;
  issuer: string;
  log: Logger;
}): Discovery<Found> {
  const { discover, issuer, log } = deps;
  let found: Found | undefined;
  let attempt: Promise<Found> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;

  const tryOnce = (): Promise<Found> => {
    attempt ??= discover()
      .then(
        (result) => {
          log.info({ issuer }, 'provider found');
          failures = 0;
          return (found = result);
        },
        (error: unknown) => {
          failures += 1;
          // Only the first failure is an error: an hour of downtime must not fill the log.
          log[failures === 1 ? 'error' : 'debug'](
            { issuer, err: error },
            'provider not found; still looking',
          );
          throw error;
        },
      )
      .finally(() => (attempt = undefined));
    return attempt;
  };

  const keepTrying = () => {
    // A caller of `get` may have found it during the pause.
    if (found !== undefined) return;
    tryOnce().catch(() => {
      if (closed) return;
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
      timer = setTimeout(keepTrying, pause * (0.75 + Math.random() / 4));
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
    start: keepTrying,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
