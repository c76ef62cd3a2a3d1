import type { JsonPointer } from '../../config/values/json-pointer.ts';
import { readLifetimeSeconds } from '../../tokens/lifetime.ts';
import type { RefreshResponse } from '../../tokens/token-set.ts';
import { readAccessToken } from '../access-token.ts';
import { textAt, valueAt } from '../http/json-value.ts';
import type { CredentialsProviderConfig } from './schema.ts';

/**
 * Reads the tokens of a vendor's response. The access token is undefined when there is none that can be sent to an API.
 *
 * A lifetime takes precedence over a timestamp. A timestamp is compared with `respondedAtMs`, the time of the response by
 * the vendor's own clock, so that a wrong clock cancels out. A lifetime that is no positive number is unknown; it does not
 * mean that the token has expired.
 */
export function readCredentialsResponse(
  pointers: CredentialsProviderConfig['response'],
  document: unknown,
  respondedAtMs: number,
): RefreshResponse {
  const lifetimeAt = (lifetime: JsonPointer | undefined, expiry: JsonPointer | undefined) =>
    readLifetimeSeconds(lifetime && valueAt(document, lifetime)) ??
    readLifetimeSeconds((readTimeMs(expiry && valueAt(document, expiry)) - respondedAtMs) / 1000);
  return {
    accessToken: readAccessToken(valueAt(document, pointers.accessToken)),
    refreshToken: textAt(document, pointers.refreshToken),
    expiresInSeconds: lifetimeAt(pointers.expiresIn, pointers.expiresAt),
    refreshExpiresInSeconds: lifetimeAt(pointers.refreshExpiresIn, pointers.refreshExpiresAt),
  };
}

/** Larger Unix times are in milliseconds: in seconds this is the year 5138. */
const LARGEST_UNIX_SECONDS = 1e11;

/**
 * Reads a point in time, in milliseconds since the epoch: a date and time (without a zone it is UTC), or a Unix time in
 * seconds or milliseconds. NaN for anything else.
 */
function readTimeMs(value: unknown): number {
  if (typeof value === 'string' && !/^\d+(?:\.\d+)?$/.test(value)) {
    const hasZone = /(?:Z|[+-]\d\d:?\d\d|GMT|UTC)$/i.test(value.trim());
    return Date.parse(hasZone ? value : `${value}Z`);
  }
  const time = typeof value === 'string' ? Number(value) : value;
  if (typeof time !== 'number') return NaN;
  return time < LARGEST_UNIX_SECONDS ? time * 1000 : time;
}
