import type { Logger } from '../observability/log.ts';
import type { RefreshOutcome } from '../provider/provider.ts';
import type { SessionRecord } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import type { Audience } from '../tokens/audience.ts';
import { accessTokenOf } from './credential.ts';
import { isAboutAudience } from './token-endpoint-call.ts';
import {
  expired,
  unavailable,
  unavailableFor,
  notGranted,
  refreshed,
  type RefreshResult,
} from './refresh-result.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';

/** An outcome that brought no tokens. */
export type Failure = Exclude<RefreshOutcome, { kind: 'refreshed' }>;

/**
 * Decides what a failed refresh means for its session, under the session's lock. Gives undefined when nothing was said
 * about the session as it is by now: it has to be looked at again.
 */
export type FailureSettlement = (
  current: SessionRecord,
  audience: Audience,
  failure: Failure,
) => Promise<RefreshResult | undefined>;

export function createFailureSettlement(deps: {
  sessions: Sessions;
  refusals: RefreshSuppression;
  log: Logger;
}): FailureSettlement {
  const { sessions, refusals, log } = deps;

  const settleRejection = async (current: SessionRecord, audience: Audience, cause: unknown) => {
    const winner = await sessions.loadByKey(current.key);
    // Signed out meanwhile: that is why.
    if (winner === undefined) return expired('failed');
    if (accessTokenOf(winner, audience) !== accessTokenOf(current, audience))
      return refreshed(winner, 'reused');
    // The session lives on another refresh token by now: nothing was said about that one.
    if (winner.session.tokens.refreshToken !== current.session.tokens.refreshToken) return undefined;
    log.warn({ err: cause }, 'the provider rejected a refresh token: the session is ended');
    await sessions.end(current.key, 'refresh_rejected');
    return expired('rejected');
  };

  return async (current, audience, failure) => {
    const { cause } = failure;
    switch (failure.kind) {
      case 'rejected':
        return settleRejection(current, audience, cause);
      case 'identity_changed':
        log.error({ err: cause }, 'a refresh brought the ID token of somebody else: the session is ended');
        sessions.revoke(failure.refreshToken);
        await sessions.end(current.key, 'identity_changed');
        return expired('rejected');
      case 'misconfigured':
        if (audience.id !== '' && isAboutAudience(failure.error)) {
          refusals.deny(current.key, audience);
          return unavailableFor(notGranted(cause));
        }
        return unavailable('The identity provider cannot renew the token now.', 5_000, cause);
      case 'ambiguous':
        return unavailable('The identity provider cannot renew the token now.', 5_000, cause);
      case 'transient':
        return unavailable(
          'The identity provider cannot be reached to renew the token.',
          (failure.retryAfterSeconds ?? 1) * 1000,
          cause,
        );
    }
  };
}
