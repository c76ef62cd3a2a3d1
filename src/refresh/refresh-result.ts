import { GatewayError, stepUpRequired } from '../errors.ts';
import type { Audit } from '../observability/audit.ts';
import type { Logger } from '../observability/log.ts';
import type { RefreshOutcomeLabel } from '../observability/metrics/sessions.ts';
import { UNEXPECTED_REFUSAL } from '../provider/refusal.ts';
import { sessionExpired } from '../sessions/no-session.ts';
import type { Sessions } from '../sessions/service.ts';
import { personOf, type SessionRecord, type SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import { accessTokenOf } from './credential.ts';
import { isAboutClient, isUnexpected, isVendorStatus } from './error-kinds.ts';
import { REFUSED_MS, type RefreshSuppression } from './refresh-suppression.ts';
import type { RefreshThrottle, TokenEndpointOutcome } from './token-endpoint-call.ts';

/**
 * The result of a refresh for every request that waited for it. `outcome` is its label in the metrics, where it counts.
 * - `refreshed`: the session has a token to send, from the provider or written by another process;
 * - `expired`: the session has ended;
 * - `unavailable`: the session is unchanged, and requests that need the token fail with `error`.
 */
export type RefreshResult = { readonly outcome: RefreshOutcomeLabel | undefined } & (
  | { readonly kind: 'refreshed'; readonly session: SessionView }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unavailable'; readonly error: GatewayError }
);

export function refreshed(session: SessionView, outcome: RefreshOutcomeLabel): RefreshResult {
  return { kind: 'refreshed', outcome, session };
}

export function expired(outcome: RefreshOutcomeLabel | undefined): RefreshResult {
  return { kind: 'expired', outcome };
}

export function unavailableFor(error: unknown): RefreshResult {
  const known = error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
  return { kind: 'unavailable', outcome: 'kept', error: known };
}

/** A refresh that may succeed later: `throttle` is what prevented it, `cause` why it failed. */
export function unavailable(
  detail: string,
  retryAfterMs: number,
  why: { readonly throttle?: RefreshThrottle | undefined; readonly cause?: unknown },
): RefreshResult {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return unavailableFor(new GatewayError('provider_unavailable', { detail, retryAfterSeconds, ...why }));
}

/** A refresh that was not tried, or that the request no longer waits for. */
export function throttledBy(throttle: RefreshThrottle, detail: string, retryAfterMs: number): RefreshResult {
  return unavailable(detail, retryAfterMs, { throttle });
}

/** The provider returned an access token that cannot be sent to an API. */
export function unusableToken(): RefreshResult {
  const detail = 'The identity provider returned no usable access token.';
  return unavailableFor(new GatewayError('provider_invalid_response', { detail }));
}

/** The provider issues no refresh token, also after a step-up, so that no route gets a token of its own. */
export function withoutRefreshToken(): RefreshResult {
  const detail =
    'The identity provider issues no refresh token, which this route needs for a token of its own.';
  return unavailableFor(new GatewayError('provider_invalid_response', { detail }));
}

/** The error of a request whose audience the provider does not grant. */
export function notGranted({ scopes, resources }: Audience, cause?: unknown): GatewayError {
  const detail = 'This request requires another sign-in: the provider does not grant it without one.';
  return stepUpRequired(detail, { scopes, resources }, cause);
}

/**
 * Errors with which the provider requires the user to sign in again (OpenID Connect Core 1.0, section 3.1.2.6, and OpenID
 * Connect Core Error Code unmet_authentication_requirements 1.0).
 */
const needsInteraction: ReadonlySet<string> = new Set([
  'interaction_required',
  'login_required',
  'consent_required',
  'account_selection_required',
  'unmet_authentication_requirements',
]);

/** An outcome of the token endpoint that brought no tokens. */
export type FailedRefresh = Exclude<TokenEndpointOutcome, { kind: 'refreshed' | 'not_marked' }>;

/**
 * Decides what a failed refresh means for its session, under the session's lock: the table in docs/refresh.md. Undefined
 * when it says nothing about the current session: the session must be read again.
 */
export function createFailureSettlement(deps: {
  sessions: Sessions;
  suppression: Pick<
    RefreshSuppression,
    'notGranted' | 'refusedByProvider' | 'isRefusedForGood' | 'pauseAfterUnexpected' | 'pause'
  >;
  log: Logger;
  audit: Audit;
}): (
  record: SessionRecord,
  audience: Audience,
  failure: FailedRefresh,
) => Promise<RefreshResult | undefined> {
  const { sessions, suppression, log, audit } = deps;

  const recordRejection = ({ key, data }: SessionRecord, result: 'session_ended' | 'session_kept') =>
    audit.record({ event: 'refresh_rejected', person: personOf(data), session: key, result });

  const settleRejection = async (record: SessionRecord, audience: Audience, cause: unknown) => {
    const current = await sessions.loadByKey(record.key);
    // The cause is a sign-out meanwhile.
    if (current === undefined) return expired('failed');
    if (accessTokenOf(current, audience) !== accessTokenOf(record, audience))
      return refreshed(sessions.viewOf(current), 'reused');
    // The session has another refresh token by now, which the provider has not rejected.
    if (current.data.tokens.refreshToken !== record.data.tokens.refreshToken) return undefined;
    log.warn({ err: cause }, 'the provider rejected the refresh token; ending the session');
    recordRejection(record, 'session_ended');
    await sessions.end(record.key, 'refresh_rejected');
    return expired('rejected');
  };

  const cannotRefresh = (cause: unknown, retryAfterSeconds = 5) =>
    unavailable('The identity provider cannot refresh the token now. Try again.', retryAfterSeconds * 1000, {
      cause,
    });

  /** The provider refuses this one refresh. It is not repeated for a minute, and says nothing about other sessions. */
  const settleRefusal = async (
    record: SessionRecord,
    audience: Audience,
    { error, cause }: Extract<FailedRefresh, { kind: 'misconfigured' }>,
  ) => {
    if (audience.id !== '' || needsInteraction.has(error)) {
      suppression.notGranted(record.key, audience);
      return unavailableFor(notGranted(audience, cause));
    }
    if (!isVendorStatus(error) && suppression.isRefusedForGood(record.data)) {
      log.warn({ error, err: cause }, 'the provider keeps refusing the refresh token; ending the session');
      recordRejection(record, 'session_ended');
      await sessions.end(record.key, 'refresh_rejected');
      return expired('rejected');
    }
    await suppression.refusedByProvider(record, audience);
    recordRejection(record, 'session_kept');
    log.warn(
      { session: record.key, error, err: cause },
      'the provider refuses to refresh this session; keeping it',
    );
    return unavailable('The identity provider refuses to refresh the token.', REFUSED_MS, {
      cause,
      throttle: 'suppression',
    });
  };

  return async (record, audience, failure) => {
    const { cause } = failure;
    switch (failure.kind) {
      case 'rejected':
        return settleRejection(record, audience, cause);
      case 'identity_changed':
        log.error({ err: cause }, 'the refresh response names a different user; ending the session');
        sessions.revoke(failure.refreshToken);
        await sessions.end(record.key, 'identity_changed');
        return expired('rejected');
      case 'misconfigured':
        if (failure.error === UNEXPECTED_REFUSAL || !isAboutClient(failure.error))
          return settleRefusal(record, audience, failure);
        return cannotRefresh(
          cause,
          isUnexpected(failure.error) ? suppression.pauseAfterUnexpected(record, audience) / 1000 : undefined,
        );
      case 'ambiguous':
        return cannotRefresh(cause, failure.retryAfterSeconds);
      case 'transient': {
        const { throttle, retryAfterSeconds = 1 } = failure;
        if (throttle === 'session_pause') suppression.pause(record, audience, retryAfterSeconds * 1000);
        const detail = 'The identity provider cannot be reached to refresh the token. Try again.';
        return unavailable(detail, retryAfterSeconds * 1000, { cause, throttle });
      }
    }
  };
}

/** Throws `session_expired`, or the error of an unavailable refresh. */
export function sessionOrThrow(result: RefreshResult): SessionView {
  switch (result.kind) {
    case 'refreshed':
      return result.session;
    case 'expired':
      throw sessionExpired();
    case 'unavailable':
      throw result.error;
  }
}
