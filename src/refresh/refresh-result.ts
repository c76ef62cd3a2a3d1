import { GatewayError } from '../errors.ts';
import type { RefreshOutcomeLabel } from '../observability/metrics.ts';
import { sessionExpired } from '../sessions/no-session.ts';
import { sessionView, type SessionView, type SessionRecord } from '../sessions/session.ts';

/**
 * How a flight ended, for everybody who waited on it: with a session that has a token to send, with the end of the
 * session, or with the session as it was. `outcome` is how the flight is counted, where it was a refresh at all.
 */
export type RefreshResult = { readonly outcome: RefreshOutcomeLabel | undefined } & (
  | { readonly kind: 'renewed'; readonly stored: SessionView }
  | { readonly kind: 'ended' }
  | { readonly kind: 'kept'; readonly error: GatewayError }
);

/** There is a token to send: from the provider, or found to have been fetched by another process. */
export function refreshed(stored: SessionRecord, outcome: RefreshOutcomeLabel): RefreshResult {
  return { kind: 'renewed', outcome, stored: sessionView(stored) };
}

/** The session is over. */
export function expired(outcome: RefreshOutcomeLabel | undefined): RefreshResult {
  return { kind: 'ended', outcome };
}

/** The session stays as it was, and the requests that need a token fail with this error. */
export function unavailableFor(error: unknown): RefreshResult {
  const known = error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
  return { kind: 'kept', outcome: 'kept', error: known };
}

/** The session stays as it was; the token may be had in a while. */
export function unavailable(detail: string, retryAfterMs: number, cause?: unknown): RefreshResult {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return unavailableFor(new GatewayError('provider_unavailable', { detail, retryAfterSeconds, cause }));
}

/** The error of a request whose audience the provider does not grant. */
export function notGranted(cause?: unknown): GatewayError {
  const detail = 'This call needs a scope or a resource that was not granted at sign-in.';
  return new GatewayError('step_up_required', { detail, cause });
}

/** The session that a flight has brought. Throws where it has brought none. */
export function sessionOrThrow(landing: RefreshResult): SessionView {
  switch (landing.kind) {
    case 'renewed':
      return landing.stored;
    case 'ended':
      throw sessionExpired();
    case 'kept':
      throw landing.error;
  }
}
