import { ResponseBodyError } from 'openid-client';
import { GatewayError } from '../errors.ts';
import { explainLoginFailure } from './refusal.ts';

/** What a browser is told of a login that failed for `cause`: that it was refused and why, or that the provider is away. */
export function loginFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const reason = explainLoginFailure(cause);
  if (reason === undefined) return providerAway(cause);
  if (cause instanceof ResponseBodyError && cause.error === 'access_denied') return loginDenied(cause);
  return loginRefused(reason, cause);
}

/** What a browser is told of a login that is not believed, with a `reason` for the developer. */
export function loginRefused(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('login_failed', { detail: 'The sign-in failed.', reason, cause });
}

/** What a browser is told when the person, or the provider in their place, has said no. */
export function loginDenied(cause?: unknown): GatewayError {
  return new GatewayError('login_denied', { detail: 'The sign-in was denied.', cause });
}

/** What a browser is told when the provider did not answer, and when to try again. */
export function providerAway(cause?: unknown, retryAfterSeconds = 5): GatewayError {
  const detail = 'The identity provider did not respond. Sign in again.';
  return new GatewayError('provider_unavailable', { detail, retryAfterSeconds, cause });
}
