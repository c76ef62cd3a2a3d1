import type { Logger } from '../observability/log.ts';
import type { Lease } from '../redis/lock.ts';
import type { SessionRecord } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Audience } from '../tokens/audience.ts';
import { mergeRefreshResponse } from '../tokens/token-set.ts';
import type { TokenEndpointCall } from './token-endpoint-call.ts';
import { createFailureSettlement } from './failure.ts';
import { expired, unavailable, refreshed, type RefreshResult } from './refresh-result.ts';
import type { SlidingWindow } from '../concurrency/sliding-window.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';

/** Why a token is renewed: it is over or nearly so, or an upstream refused it before its time. */
export type Cause = 'age' | 'refusal';

/** What came of a session under its lock. */
export type Renewal = {
  /** Without one the session has to be looked at again: another process may have been first. */
  readonly landing: RefreshResult | undefined;
  /** Settles when the new tokens are written; the lock is kept until then. */
  readonly saved?: Promise<unknown>;
  /** The provider could not be asked, or did not answer: nobody who waits for the lock tries it again. */
  readonly verdict?: 'failed';
};

/** Spends the refresh token of a session that was read under its lock. */
export type Renew = (
  current: SessionRecord,
  audience: Audience,
  cause: Cause,
  lease: Lease,
) => Promise<Renewal>;

export function createRenewal(deps: {
  sessions: Sessions;
  exchange: TokenEndpointCall;
  rate: SlidingWindow;
  refusals: RefreshSuppression;
  log: Logger;
}): Renew {
  const { sessions, exchange, rate, refusals } = deps;
  const settleFailure = createFailureSettlement(deps);

  return async (current, audience, cause, lease) => {
    const { session } = current;
    const { refreshToken } = session.tokens;
    if (refreshToken === undefined) {
      await sessions.end(current.key, 'expired');
      return { landing: expired(undefined) };
    }
    const refusedAtMs = refusals.recent(session);
    if (cause === 'refusal' && refusals.areTooMany(refusedAtMs))
      return { landing: unavailable('The API goes on refusing renewed tokens.', 1_000) };
    const tooSoonMs = rate.take(current.key, session.renewedAtMs);
    if (tooSoonMs > 0) return { landing: unavailable('This session has been renewed too often.', tooSoonMs) };

    const outcome = await exchange({
      refreshToken,
      subject: session.subject,
      flow: session.flow,
      audience,
      maySend: lease.isHeld,
    });
    // The lock had lapsed before anything was sent: this process had been stopped, or the store was away.
    if (outcome.kind === 'transient' && !lease.isHeld()) return { landing: undefined };
    if (outcome.kind !== 'refreshed') {
      const landing = await settleFailure(current, audience, outcome);
      const isFailure = landing?.kind === 'kept' && landing.error.code === 'provider_unavailable';
      return isFailure ? { landing, verdict: 'failed' } : { landing };
    }

    const tokens = mergeRefreshResponse(session.tokens, audience.id, outcome.answer, outcome.sentAtMs);
    const claims = outcome.claims ?? session.claims;
    const { result, stored, saved } = await sessions.replace(current, {
      ...session,
      tokens,
      claims,
      refusedAtMs,
      renewedAtMs: [...rate.recent(session.renewedAtMs), outcome.sentAtMs],
    });
    switch (result) {
      case 'replaced':
        return { landing: refreshed(stored, 'refreshed'), saved };
      case 'gone':
        // Signed out meanwhile: the session does not come back, and its new tokens are of no use to anybody.
        sessions.revoke(tokens.refreshToken);
        return { landing: expired('failed') };
      case 'conflict': {
        const winner = await sessions.loadByKey(current.key);
        return { landing: winner === undefined ? expired('failed') : refreshed(winner, 'failed') };
      }
    }
  };
}
