import { AuthorizationResponseError, ResponseBodyError } from 'openid-client';
import { GatewayError, type AuthError } from '../errors.ts';
import { explainLoginFailure } from './refusal.ts';

/** The error for a login that failed with `cause` at an endpoint: rejected with a reason, denied, or the provider is unavailable. */
export function loginFailure(cause: unknown, endpoint?: string): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const reason = explainLoginFailure(cause, endpoint);
  if (reason === undefined) return providerUnavailable(cause);
  if (cause instanceof ResponseBodyError && cause.error === 'access_denied') return loginDenied(cause);
  const authError = cause instanceof AuthorizationResponseError ? authErrors.get(cause.error) : undefined;
  return loginRefused(reason, cause, authError);
}

/** The error codes of an authorization response that mean more than a refusal (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6). */
const authErrors: ReadonlyMap<string, AuthError> = new Map([
  ['access_denied', 'access_denied'],
  ['login_required', 'login_required'],
  ['interaction_required', 'login_required'],
  ['consent_required', 'login_required'],
  ['account_selection_required', 'login_required'],
  ['server_error', 'provider_unavailable'],
  ['temporarily_unavailable', 'provider_unavailable'],
]);

/** The error for a login that the gateway does not accept, with a `reason` for developers. */
export function loginRefused(reason: string, cause?: unknown, authError?: AuthError): GatewayError {
  return new GatewayError('login_failed', { detail: 'The sign-in failed.', reason, authError, cause });
}

/** The error for a login that the user, or the provider for them, denied. */
export function loginDenied(cause?: unknown): GatewayError {
  return new GatewayError('login_denied', { detail: 'The sign-in was denied.', cause });
}

/** The error for a provider that did not respond. */
export function providerUnavailable(cause?: unknown, retryAfterSeconds = 5): GatewayError {
  const detail = 'The identity provider did not respond. Sign in again.';
  return new GatewayError('provider_unavailable', { detail, retryAfterSeconds, cause });
}

/** The error for a step-up that did not bring what it had to. */
export function stepUpUnmet(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('login_failed', {
    detail: 'The sign-in does not meet what the request requires.',
    reason,
    authError: 'step_up_unmet',
    cause,
  });
}

/** The error for a step-up that is not possible any more: the request must be repeated, and says what it requires now. */
export function stepUpExpired(reason: string): GatewayError {
  const detail = 'This sign-in has expired. Go back and try again.';
  return new GatewayError('login_failed', { detail, reason, authError: 'state_expired' });
}

/** How providers refuse a step-up (OpenID Connect Core Error Code unmet_authentication_requirements; RFC 6749; RFC 8707). */
const stepUpRefusals: ReadonlySet<string> = new Set([
  'unmet_authentication_requirements',
  'invalid_scope',
  'invalid_target',
]);

/** Like {@link loginFailure}, for a step-up. */
export function stepUpFailure(cause: unknown, endpoint?: string): GatewayError {
  const failure = loginFailure(cause, endpoint);
  const isResponse = cause instanceof AuthorizationResponseError || cause instanceof ResponseBodyError;
  const isRefused = isResponse && stepUpRefusals.has(cause.error);
  return isRefused ? stepUpUnmet(failure.options.reason ?? cause.error, cause) : failure;
}
