import type { Logger } from '../../observability/log.ts';
import { KeySetError } from '../oidc/key-set.ts';

/** Reports refreshed ID tokens that cannot be verified: after a key rotation, every session may have one. */
export type UnverifiableReport = {
  /** Logs a warning for each reason while the state lasts; repetitions are at `debug`. */
  unverifiable(cause: unknown): void;
  verified(): void;
};

/** How long no ID token may fail before a verified one ends the state, in milliseconds: keys of several ages may be in use at once. */
const RECOVERY_MS = 60_000;
/** How many reasons get a warning of their own. */
const MAX_REASONS = 10;

export function createUnverifiableReport(deps: { log: Logger; clock: () => number }): UnverifiableReport {
  const { log, clock } = deps;
  const reasons = new Set<string>();
  let lastAtMs = -Infinity;

  return {
    unverifiable(cause) {
      lastAtMs = clock();
      const err = reasonOf(cause);
      const reason = err instanceof Error ? err.message : '';
      const isNew = !reasons.has(reason) && reasons.size < MAX_REASONS;
      if (isNew) reasons.add(reason);
      log[isNew ? 'warn' : 'debug'](
        { err },
        'cannot verify a refreshed ID token; using the new tokens, keeping the claims',
      );
    },
    verified() {
      if (clock() - lastAtMs >= RECOVERY_MS) reasons.clear();
    },
  };
}

/** That the JWKS was not fetched once more is no reason: the known keys did not verify the token. */
function reasonOf(cause: unknown): unknown {
  return cause instanceof KeySetError && cause.reason === 'throttled' ? (cause.cause ?? cause) : cause;
}
