import { readLifetimeSeconds } from '../tokens/lifetime.ts';
import type { TokenResponse } from '../tokens/token-set.ts';

/**
 * Repairs what token endpoints get wrong and openid-client 6 would refuse whole, with a rotated refresh token lost in
 * it: lifetimes that are no positive numbers (dropped) and refresh or ID tokens that are null or empty (dropped).
 * Anything that is no token answer is returned as it came.
 */
export function normalizeTokenResponse(text: string): string {
  const json = parseObject(text);
  if (json === undefined || typeof json['access_token'] !== 'string') return text;
  const normal: Record<string, unknown> = { ...json };
  setOrDelete(normal, 'expires_in', readLifetimeSeconds(json['expires_in']));
  setOrDelete(normal, 'refresh_token', nonEmpty(json['refresh_token']));
  setOrDelete(normal, 'id_token', nonEmpty(json['id_token']));
  setOrDelete(normal, 'scope', nonEmpty(json['scope']));
  return JSON.stringify(normal);
}

/** Where {@link detachIdToken} puts the ID token of a token answer. */
const DETACHED = 'coatcheck_detached_id_token';

/**
 * Normalises a token answer and puts its ID token aside. openid-client 6 validates the ID token of a refresh before it
 * hands over the tokens beside it, and throws them away with it: a clock an hour off, or keys that cannot be fetched for
 * a moment, would cost a rotated refresh token. So it is verified after the tokens are in hand.
 */
export function detachIdToken(text: string): string {
  const normal = normalizeTokenResponse(text);
  const json = parseObject(normal);
  if (json === undefined || json['id_token'] === undefined) return normal;
  const { id_token: idToken, ...rest } = json;
  return JSON.stringify({ ...rest, [DETACHED]: idToken });
}

/** The inverse of {@link detachIdToken}, on the parsed answer. */
export function reattachIdToken(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { [DETACHED]: idToken, ...rest } = json;
  return { ...rest, id_token: idToken };
}

/**
 * Reads the tokens out of a token endpoint's answer. The end of the refresh token's life comes from
 * `refresh_expires_in` (Keycloak; 0 there means none) or `refresh_token_expires_in` (Google and others).
 */
export function readTokenResponse(json: Readonly<Record<string, unknown>>): TokenResponse {
  return {
    accessToken: nonEmpty(json['access_token']) ?? '',
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
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function setOrDelete(target: Record<string, unknown>, name: string, value: unknown): void {
  if (value === undefined) delete target[name];
  else target[name] = value;
}
