import type { ProviderLogout } from '../provider/oidc/logout-token.ts';
import type { LogoutScope } from './by-subject.ts';
import type { SessionData, SessionRecord } from './session.ts';
import type { Sessions } from './service.ts';
import type { MarkerSubject, SessionStore } from './store/store.ts';

/**
 * Ends the sessions that a logout token names and makes pending sign-ins of the same owner fail. Gives the number of ended
 * sessions, or `used` for a token that has been used before.
 */
export type ProviderLogouts = (logout: ProviderLogout) => Promise<number | 'used'>;

export function createProviderLogouts(deps: {
  sessions: Sessions;
  store: SessionStore;
  clock: () => number;
}): ProviderLogouts {
  const { sessions, store, clock } = deps;

  return async function endByProvider(logout) {
    if ((await store.getMarker(usedMarker(logout))) !== undefined) return 'used';
    const matches = ({ data }: SessionRecord) => isNamedBy(logout, data);
    const endings = scopesOf(logout).map((scope) =>
      sessions.endSignInsOf(scope, 'backchannel_logout', matches),
    );
    const ended = (await Promise.all(endings)).reduce((sum, count) => sum + count, 0);
    // Marked as used only now: a provider may repeat a request that failed half-way.
    await store.putMarker(usedMarker(logout), '', logout.validUntilMs - clock());
    return ended;
  };
}

/**
 * A token with a `sid` ends that session at the provider, and one without it all sessions of the subject (section 2.4). A
 * session for which the provider sent no `sid` may belong to any of its sessions, so every token about the subject ends it.
 */
function scopesOf({ issuer, subject, sid }: ProviderLogout): LogoutScope[] {
  if (sid === undefined) return [{ kind: 'subject', issuer, id: subject ?? '' }];
  const named: LogoutScope = { kind: 'sid', issuer, id: sid };
  return subject === undefined ? [named] : [named, { kind: 'without_sid', issuer, id: subject }];
}

/** SECURITY: a delayed token does not end a session that began after it. Both times are on the provider's clock. */
function isNamedBy({ subject, issuedAtSeconds }: ProviderLogout, data: SessionData): boolean {
  const { signedInAtSeconds = Math.floor(data.createdAtMs / 1000) } = data;
  return (subject === undefined || data.subject === subject) && signedInAtSeconds <= issuedAtSeconds;
}

function usedMarker({ issuer, tokenId }: ProviderLogout): MarkerSubject {
  return ['logout-token', issuer, tokenId];
}
