import type { AccessToken } from './token-set.ts';

/** How early a token is renewed: a share of its life, or a fixed time before its end. */
export type Ahead = { kind: 'share'; share: number } | { kind: 'duration'; ms: number };

/** `fresh`: use it; `near`: use it, and renew it behind the request; `over`: wait for a new one. */
export type Freshness = 'fresh' | 'expiring' | 'expired';

/**
 * A token this close to its end counts as expired, in milliseconds: it would expire on its way to the upstream.
 */
const IN_FLIGHT_MS = 1_000;

/** The life assumed of a token whose answer named none, in milliseconds: it is then renewed ahead, never waited for. */
const ASSUMED_LIFE_MS = 3_600_000;

/**
 * Tells how fresh an access token is at `nowMs`. Only this machine's clock counts: the life began when the request for
 * the token was sent, and nothing the provider dated is looked at.
 */
export function freshnessOf(token: AccessToken, nowMs: number, ahead: Ahead): Freshness {
  const { obtainedAtMs, expiresAtMs } = token;
  if (expiresAtMs === undefined) return nowMs - obtainedAtMs >= ASSUMED_LIFE_MS ? 'expiring' : 'fresh';
  const lifeMs = expiresAtMs - obtainedAtMs;
  // A tenth of a very short life, so that a token of a few seconds has not expired as it arrives.
  if (nowMs >= expiresAtMs - Math.min(IN_FLIGHT_MS, lifeMs / 10)) return 'expired';
  const aheadMs = ahead.kind === 'share' ? lifeMs * ahead.share : Math.min(ahead.ms, lifeMs / 2);
  return nowMs >= expiresAtMs - aheadMs ? 'expiring' : 'fresh';
}
