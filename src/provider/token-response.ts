import { readLifetimeSeconds } from '../tokens/lifetime.ts';
import type { RefreshResponse, TokenResponse } from '../tokens/token-set.ts';
import { readAccessToken } from './access-token.ts';

/**
 * Repairs mistakes of token endpoints for which openid-client 6 would reject the whole response, and so lose a rotated
 * refresh token: drops lifetimes that are not positive numbers, and refresh and ID tokens that are null or empty.
 * Returns a text that is not a token response unchanged.
 */
export function normalizeTokenResponse(text: string): string {
  const json = parseObject(text);
  return json !== undefined && normalize(json) ? JSON.stringify(json) : text;
}

/** Returns false for an object that is not a token response, and changes nothing. */
function normalize(json: Record<string, unknown>): boolean {
  if (typeof json['access_token'] !== 'string') return false;
  setOrDelete(json, 'expires_in', readLifetimeSeconds(json['expires_in']));
  setOrDelete(json, 'refresh_token', nonEmpty(json['refresh_token']));
  setOrDelete(json, 'id_token', nonEmpty(json['id_token']));
  setOrDelete(json, 'scope', nonEmpty(json['scope']));
  return true;
}

/** The member in which {@link detachIdToken} puts the ID token of a token response. */
const DETACHED = 'coatcheck_detached_id_token';

/**
 * Normalises a token response and hides its ID token from openid-client 6, which validates the ID token before it returns
 * the other tokens: a clock an hour off, or a failed JWKS fetch, would lose a rotated refresh token. The gateway verifies
 * the ID token once it has the other tokens.
 */
export function detachIdToken(text: string): string {
  const json = parseObject(text);
  if (json === undefined) return text;
  const isNormalized = normalize(json);
  if (json['id_token'] === undefined) return isNormalized ? JSON.stringify(json) : text;
  const { id_token: idToken, ...rest } = json;
  return JSON.stringify({ ...rest, [DETACHED]: idToken });
}

/** The inverse of {@link detachIdToken}, on the parsed response. */
export function reattachIdToken(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { [DETACHED]: idToken, ...rest } = json;
  return { ...rest, id_token: idToken };
}

/** The member in which {@link detachTokens} puts a token response. */
const DETACHED_TOKENS = 'coatcheck_detached_tokens';

/**
 * Hides the successful response to a refresh from openid-client 6, which rejects it for its `token_type`, its access token
 * or its ID token, and so would lose a rotated refresh token. Returns any other text unchanged.
 */
export function detachTokens(text: string, status: number): string {
  const isSuccess = status >= 200 && status < 300;
  const json = isSuccess ? parseObject(text) : undefined;
  if (json === undefined || !('access_token' in json || 'refresh_token' in json)) return text;
  return JSON.stringify({ access_token: 'detached', token_type: 'bearer', [DETACHED_TOKENS]: json });
}

/**
 * Reads the response to a refresh that {@link detachTokens} has hidden. With `isBound`, an access token that is not bound to
 * the key of its session counts as unusable.
 */
export function readRefreshResponse(
  json: Readonly<Record<string, unknown>>,
  { isBound = false }: { isBound?: boolean } = {},
): RefreshResponse {
  const tokens = toObject(json[DETACHED_TOKENS]);
  if (tokens === undefined) throw new TypeError('the response has no detached tokens');
  const isUsable = !isBound || hasBoundToken(tokens);
  return {
    ...readTokenResponse(tokens),
    accessToken: isUsable ? readAccessToken(tokens['access_token']) : undefined,
  };
}

/** True if the access token of a token response is bound to the key of the request's proof (RFC 9449, section 5). */
export function hasBoundToken({ token_type: type }: Readonly<Record<string, unknown>>): boolean {
  return typeof type === 'string' && type.toLowerCase() === 'dpop';
}

/**
 * Reads the tokens of a token response; the access token is empty when it is unusable. The lifetime of the refresh token is in `refresh_expires_in` (Keycloak; 0 means
 * none) or in `refresh_token_expires_in` (Google and others).
 */
export function readTokenResponse(json: Readonly<Record<string, unknown>>): TokenResponse {
  return {
    accessToken: readAccessToken(json['access_token']) ?? '',
    expiresInSeconds: readLifetimeSeconds(json['expires_in']),
    scope: nonEmpty(json['scope']),
    refreshToken: nonEmpty(json['refresh_token']),
    refreshExpiresInSeconds:
      readLifetimeSeconds(json['refresh_expires_in']) ??
      readLifetimeSeconds(json['refresh_token_expires_in']),
    idToken: nonEmpty(json['id_token']),
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return toObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function toObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function setOrDelete(target: Record<string, unknown>, name: string, value: unknown): void {
  if (value === undefined) delete target[name];
  else target[name] = value;
}
