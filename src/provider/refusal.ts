import { trimWhitespace } from '../fields/whitespace.ts';
import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { isNotSent } from './http/http-client.ts';
import type { RefreshOutcome, RevocationOutcome } from './provider.ts';

/** Codes of failed connections: nothing of the request was sent. */
const notSentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
]);

/**
 * The outcome of a refresh for which openid-client 6 threw. Only the error codes in `rejectionErrors` mean that the session
 * is over; everything else is about the client, the provider or the network.
 */
export function classifyRefreshFailure(
  cause: unknown,
  rejectionErrors: readonly string[] = ['invalid_grant'],
): Exclude<RefreshOutcome, { kind: 'refreshed' }> {
  if (cause instanceof ResponseBodyError) {
    if (rejectionErrors.includes(cause.error)) return { kind: 'rejected', cause };
    if (isBusy(cause.status)) return busyOutcome(cause.response, cause);
    return { kind: 'misconfigured', error: cause.error, cause };
  }
  if (cause instanceof WWWAuthenticateChallengeError) {
    return { kind: 'misconfigured', error: 'invalid_client', cause };
  }
  if (cause instanceof ClientError && cause.cause instanceof Response) {
    const response = cause.cause;
    if (isBusy(response.status)) return busyOutcome(response, cause);
    // 200 without a token response: the provider may have used up the refresh token.
    if (response.status === 200) return { kind: 'ambiguous', cause };
    const what = isAboutToken(response) ? UNEXPECTED_REFUSAL : `unexpected status ${response.status}`;
    return { kind: 'misconfigured', error: what, cause };
  }
  if (isNotSent(cause) || isNotConnected(cause))
    return { kind: 'transient', retryAfterSeconds: undefined, cause };
  return { kind: 'ambiguous', cause };
}

/** The error of a 400 in JSON that is not an OAuth error: the server itself refuses this request, in its own words. */
export const UNEXPECTED_REFUSAL = 'unexpected status 400 with a JSON body';

function isAboutToken({ status, headers }: Response): boolean {
  return status === 400 && /^application\/(?:[^;]*\+)?json(?:;|$)/i.test(headers.get('content-type') ?? '');
}

/**
 * A server that limits its callers has not processed the request. Any other error of a server or of a proxy in front of it may
 * have come after the refresh token was rotated.
 */
export function busyOutcome(
  response: Response,
  cause: unknown,
): Extract<RefreshOutcome, { kind: 'transient' | 'ambiguous' }> {
  const kind = response.status === 429 || response.status === 425 ? 'transient' : 'ambiguous';
  return { kind, retryAfterSeconds: retryAfterOf(response), cause };
}

/**
 * The outcome of a revocation for which openid-client 6 threw. An error about the token or the request is final (RFC 7009,
 * section 2.2.1); an error about the client may be fixed in the configuration.
 */
export function classifyRevocationFailure(cause: unknown): Exclude<RevocationOutcome, { kind: 'revoked' }> {
  if (cause instanceof ResponseBodyError) {
    const isFinal = !isBusy(cause.status) && cause.error !== 'invalid_client';
    if (isFinal) return { kind: 'refused', cause };
    return { kind: 'failed', retryAfterSeconds: retryAfterOf(cause.response), cause };
  }
  const response = cause instanceof ClientError && cause.cause instanceof Response ? cause.cause : undefined;
  return { kind: 'failed', retryAfterSeconds: response && retryAfterOf(response), cause };
}

/** Explains to a developer why a call of `endpoint` by openid-client 6 failed; undefined when the provider is unavailable. */
export function explainLoginFailure(cause: unknown, endpoint = 'token endpoint'): string | undefined {
  if (isNotSent(cause)) return undefined;
  if (cause instanceof AuthorizationResponseError) {
    return `the provider returned ${describeOAuthError(cause.error, cause.error_description)}`;
  }
  if (cause instanceof ResponseBodyError) {
    if (isBusy(cause.status)) return undefined;
    // SECURITY: its description may quote the request: the code, the verifier, the client secret.
    return `the ${endpoint} returned ${describeOAuthError(cause.error, undefined)}`;
  }
  if (cause instanceof WWWAuthenticateChallengeError) {
    return `the ${endpoint} rejected the client; check clientId, clientSecret and clientAuthentication`;
  }
  if (cause instanceof ClientError) {
    if (cause.code === 'OAUTH_TIMEOUT' || cause.code === 'OAUTH_ABORT') return undefined;
    if (cause.cause instanceof Response && isBusy(cause.cause.status)) return undefined;
    // The library's messages name claims and parameters, never their values.
    const inner = cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
    return `${cause.message}${inner}`;
  }
  return undefined;
}

/** Reads `Retry-After` (RFC 9110, section 10.2.3), in seconds or as a date, capped at one hour. */
export function retryAfterOf(response: Response): number | undefined {
  const value = trimWhitespace(response.headers.get('retry-after') ?? '');
  if (value === '') return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(3600, Math.max(0, Math.ceil(seconds))) : undefined;
}

/**
 * True when a refresh failed because of missing consent for its scope. Microsoft Entra ID then responds with `invalid_grant`,
 * as for an expired refresh token, and adds a `suberror`.
 */
export function lacksConsent(cause: unknown): boolean {
  return cause instanceof ResponseBodyError && cause.cause['suberror'] === 'consent_required';
}

/** True for a status that says that the server cannot serve the request now. */
export function isBusy(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function isNotConnected(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string' && notSentCodes.has(at.code)) return true;
  }
  return false;
}

/** SECURITY: the text comes through the browser, so anybody may have written it: printable ASCII only, and short. */
function describeOAuthError(error: string, description: string | undefined): string {
  const clean = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return description === undefined ? clean(error) : `${clean(error)} (${clean(description)})`;
}
