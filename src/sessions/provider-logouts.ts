import type { ProviderLogout } from '../provider/oidc/logout-token.ts';
import type { Owner, SessionData, SessionRecord } from './session.ts';
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
    const ended = await sessions.endSignInsOf(ownerOf(logout), 'backchannel_logout', matches);
    // Marked as used only now: a provider may repeat a request that failed half-way.
    await store.putMarker(usedMarker(logout), '', logout.validUntilMs - clock());
    return ended;
  };
}

/** A token with a `sid` ends only that session at the provider; without one, all sessions of the subject (section 2.4). */
function ownerOf({ issuer, subject, sid }: ProviderLogout): Owner {
  return sid === undefined
    ? { kind: 'subject', issuer, id: subject ?? '' }
    : { kind: 'sid', issuer, id: sid };
}

/** SECURITY: a delayed token does not end a session that began after it. Both times are on the provider's clock. */
function isNamedBy({ subject, issuedAtSeconds }: ProviderLogout, data: SessionData): boolean {
  const { signedInAtSeconds = Math.floor(data.createdAtMs / 1000) } = data;
  return (subject === undefined || data.subject === subject) && signedInAtSeconds <= issuedAtSeconds;
}

function usedMarker({ issuer, tokenId }: ProviderLogout): MarkerSubject {
  return ['logout-token', issuer, tokenId];
}
