import { unjitteredBackoffMs, type BackoffRange } from '../concurrency/backoff.ts';
import type { CircuitBreaker } from '../concurrency/circuit-breaker.ts';
import { shareRuns } from '../concurrency/shared-run.ts';
import { randomIdentifier } from '../crypto/identifier.ts';
import type { RefreshOutcome, RefreshRequest } from '../provider/provider.ts';
import { createAudience } from '../tokens/audience.ts';
import { isUnexpected } from './error-kinds.ts';

/**
 * Decides when a refresh token that was sent twice without a response may be sent again: once the token endpoint responds. To
 * find that out, no token of a session is spent: the response to another session counts, or that to a made-up token. Decision
 * 0034 has the reasons.
 */
export type UnansweredCheck = {
  /** How long to wait before the token is sent again, in milliseconds; 0 when it may be sent now. */
  waitMs(sent: { readonly count: number; readonly lastMs: number }): Promise<number>;
  /** Takes note of the outcome of a call that began at `startedAtMs`. */
  observe(outcome: RefreshOutcome, startedAtMs: number): void;
};

/** The pauses after a third and each later sending without a response: the fault may concern this session only. */
const PAUSES: BackoffRange = { firstMs: 60_000, longestMs: 600_000 };
/** How many sendings have no pause after them but the wait for a response of the endpoint. */
const WITHOUT_PAUSE = 2;
/**
 * How long after its last sending a token is sent again without a response to another call, in milliseconds: a provider may
 * respond to made-up tokens with a 5xx, and there may be no other session.
 */
const LONGEST_WAIT_MS = 1_800_000;
/** The shortest time between two made-up tokens, in milliseconds. */
const PROBE_PAUSE_MS = 5_000;
/** Names the made-up tokens for the circuit breaker. */
const PROBE = 'made-up';

export function createUnansweredCheck(deps: {
  breaker: CircuitBreaker;
  send: (request: RefreshRequest, by: string) => Promise<RefreshOutcome>;
  clock: () => number;
}): UnansweredCheck {
  const { breaker, send, clock } = deps;
  let respondedAtMs = -Infinity;
  let probedAtMs = -Infinity;

  /** Many sessions wait for the same response. */
  const probe = shareRuns(async () => {
    if (breaker.pauseMs() > 0 || clock() - probedAtMs < PROBE_PAUSE_MS) return;
    probedAtMs = clock();
    await send(
      {
        refreshToken: `made-up-by-coatcheck-${randomIdentifier()}`,
        subject: '',
        audience: createAudience([], []),
        maySend: () => true,
      },
      PROBE,
    );
  });

  return {
    observe(outcome, startedAtMs) {
      if (isResponse(outcome)) respondedAtMs = Math.max(respondedAtMs, startedAtMs);
    },
    async waitMs({ count, lastMs }) {
      const sentAtMs = clock() - lastMs;
      const pauseMs = count > WITHOUT_PAUSE ? unjitteredBackoffMs(count - WITHOUT_PAUSE, PAUSES) : 0;
      const remainingMs = sentAtMs + pauseMs - clock();
      if (remainingMs > 0) return remainingMs;
      const maySend = () => respondedAtMs >= sentAtMs || lastMs >= LONGEST_WAIT_MS;
      if (!maySend()) await probe();
      return maySend() ? 0 : Math.max(PROBE_PAUSE_MS, breaker.pauseMs());
    },
  };
}

/** True for tokens, or an OAuth error other than one of overload. */
function isResponse(outcome: RefreshOutcome): boolean {
  switch (outcome.kind) {
    case 'refreshed':
    case 'rejected':
    case 'identity_changed':
      return true;
    case 'misconfigured':
      return !isUnexpected(outcome.error);
    case 'transient':
    case 'ambiguous':
      return false;
  }
}
