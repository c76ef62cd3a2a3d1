import type { CredentialsProviderConfig } from '../../config/schema/schema.ts';
import type { JsonPointer } from '../../config/values/json-pointer.ts';
import { readLifetimeSeconds } from '../../tokens/lifetime.ts';
import type { TokenResponse } from '../../tokens/token-set.ts';
import { textAt, valueAt } from '../json-value.ts';

/**
 * Reads the tokens out of a vendor's answer, or gives undefined when there is no access token in it.
 *
 * A lifetime counts, whatever timestamp stands beside it. A timestamp alone is compared with `answeredAtMs`, the time at
 * which the vendor's own clock says that it answered, so that a clock that is wrong is wrong on both sides. What is no
 * positive number either way is no known life, and never "over at once".
 */
export function readCredentialsResponse(
  places: CredentialsProviderConfig['response'],
  document: unknown,
  answeredAtMs: number,
): TokenResponse | undefined {
  const accessToken = textAt(document, places.accessToken);
  if (accessToken === undefined) return undefined;
  const lifeOf = (life: JsonPointer | undefined, end: JsonPointer | undefined) =>
    readLifetimeSeconds(life && valueAt(document, life)) ??
    readLifetimeSeconds((readTimeMs(end && valueAt(document, end)) - answeredAtMs) / 1000);
  return {
    accessToken,
    refreshToken: textAt(document, places.refreshToken),
    expiresInSeconds: lifeOf(places.expiresIn, places.expiresAt),
    refreshExpiresInSeconds: lifeOf(places.refreshExpiresIn, places.refreshExpiresAt),
  };
}

/** Unix times beyond this are milliseconds: as seconds it would be the year 5138. */
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
