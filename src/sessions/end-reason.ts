/**
 * Why a session ended; a label of the metrics.
 * - `logout`: the person signed out in this browser;
 * - `ended_elsewhere`: the person ended the session from another browser;
 * - `backchannel_logout`, `frontchannel_logout`: the provider ended the session;
 * - `replaced`: the same browser signed in again;
 * - `limit`: newer sessions of the person fill the limit `session.maxPerUser`;
 * - `expired`: the idle limit or the absolute limit passed;
 * - `refresh_rejected`: the provider rejected the refresh token;
 * - `identity_changed`: a refresh returned the ID token of another person;
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
  | 'refresh_rejected'
  | 'identity_changed'
  | 'admin';
