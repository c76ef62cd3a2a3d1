import type { AccessToken } from './token-set.ts';

/** How early a token is refreshed: a share of its lifetime, or a fixed time before its end. */
export type Ahead = { kind: 'share'; share: number } | { kind: 'duration'; ms: number };

/** `fresh`: use it; `expiring`: use it and refresh it in the background; `expired`: wait for a new one. */
export type Freshness = 'fresh' | 'expiring' | 'expired';

/** A token this close to its end counts as expired, in milliseconds: it would expire on its way to the upstream. */
const IN_FLIGHT_MS = 1_000;

const twoThirds: Ahead = { kind: 'share', share: 2 / 3 };

/** The lifetime assumed when the response names none, in milliseconds: the token is then expiring, never expired. */
const ASSUMED_LIFETIME_MS = 3_600_000;

/**
 * The freshness of an access token at `nowMs`, by this machine's clock alone: its lifetime starts when its request is sent,
 * and dates of the provider do not count. A token is also expiring when the refresh token is. One that ends first is renewed from
 * a third of its lifetime on, so that any user who calls at least once in that lifetime renews it in time.
 */
export function freshnessOf(
  token: AccessToken,
  nowMs: number,
  ahead: Ahead,
  refreshExpiresAtMs?: number,
): Freshness {
  const own = freshnessUntil(token, nowMs, ahead);
  if (own !== 'fresh' || refreshExpiresAtMs === undefined) return own;
  const endsFirst = refreshExpiresAtMs < (token.expiresAtMs ?? Infinity);
  const ofRefreshToken = freshnessUntil(
    { ...token, expiresAtMs: refreshExpiresAtMs },
    nowMs,
    endsFirst ? twoThirds : ahead,
  );
  return ofRefreshToken === 'fresh' ? 'fresh' : 'expiring';
}

function freshnessUntil(
  { obtainedAtMs, expiresAtMs }: Pick<AccessToken, 'obtainedAtMs' | 'expiresAtMs'>,
  nowMs: number,
  ahead: Ahead,
): Freshness {
  if (expiresAtMs === undefined) return nowMs - obtainedAtMs >= ASSUMED_LIFETIME_MS ? 'expiring' : 'fresh';
  const lifetimeMs = expiresAtMs - obtainedAtMs;
  // A tenth of a very short lifetime, so that a token of a few seconds has not expired when it arrives.
  if (nowMs >= expiresAtMs - Math.min(IN_FLIGHT_MS, lifetimeMs / 10)) return 'expired';
  const aheadMs = ahead.kind === 'share' ? lifetimeMs * ahead.share : Math.min(ahead.ms, lifetimeMs / 2);
  return nowMs >= expiresAtMs - aheadMs ? 'expiring' : 'fresh';
}
