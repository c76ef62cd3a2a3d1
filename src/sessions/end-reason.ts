/**
 * Why a session ended; a label of the metrics.
 * - `logout`: its person signed out in this browser;
 * - `ended_elsewhere`: its person ended it from another browser;
 * - `backchannel_logout`, `frontchannel_logout`: the provider ended it;
 * - `replaced`: its person signed in anew in the same browser;
 * - `limit`: its person has younger ones, as many as one may have;
 * - `expired`: one of its limits has passed;
 * - `refresh_rejected`: the provider rejected its refresh token;
 * - `identity_changed`: a refresh brought the ID token of somebody else;
 * - `admin`: an operator ended it.
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
