import type { EndedBy } from '../observability/audit.ts';
import { isOutdated, type SessionView } from './session.ts';

/**
 * Why a session ended; in the log, and a label of the metrics.
 * - `logout`: the user signed out in this browser;
 * - `ended_elsewhere`: the user ended the session from another browser;
 * - `backchannel_logout`, `frontchannel_logout`: the provider ended the session;
 * - `replaced`: the same browser signed in again;
 * - `limit`: newer sessions of the user fill the limit `session.maxPerUser`;
 * - `expired`: the idle limit or the absolute limit passed, or the access token of a session without a refresh token;
 * - `expired_at_provider`: a limit of the provider passed: the expiry of its refresh token, or `session_expiry`;
 * - `unreadable`: the record was changed, or not written by a gateway;
 * - `refresh_rejected`: the provider rejected the refresh token;
 * - `identity_changed`: a refresh returned the ID token of another user;
 * - `issuer_changed`: the provider is another issuer than the one that the user signed in with;
 * - `secret_removed`: an operator removed the secret that sealed the session or its cookie;
 * - `admin`: an operator ended the session.
 */
export type EndReason =
  | 'logout'
  | 'ended_elsewhere'
  | 'backchannel_logout'
  | 'frontchannel_logout'
  | 'replaced'
  | 'limit'
  | 'expired'
  | 'expired_at_provider'
  | 'unreadable'
  | 'refresh_rejected'
  | 'identity_changed'
  | 'issuer_changed'
  | 'secret_removed'
  | 'admin';

/** The reason of a session that a request finds over. */
export function lapseReason(session: SessionView, generation: number): EndReason {
  if (isOutdated(session.data, generation)) return 'admin';
  const { idleExpiresAtMs, endsAtMs, isLimitedByProvider } = session;
  return isLimitedByProvider && endsAtMs <= idleExpiresAtMs ? 'expired_at_provider' : 'expired';
}

/** Who or what ended a session, by the reason. */
export const endedBy: Readonly<Record<EndReason, EndedBy>> = {
  logout: 'person',
  ended_elsewhere: 'person',
  replaced: 'person',
  backchannel_logout: 'provider',
  frontchannel_logout: 'provider',
  expired_at_provider: 'provider',
  refresh_rejected: 'provider',
  identity_changed: 'gateway',
  unreadable: 'gateway',
  limit: 'limit',
  expired: 'limit',
  issuer_changed: 'operator',
  secret_removed: 'operator',
  admin: 'operator',
};
