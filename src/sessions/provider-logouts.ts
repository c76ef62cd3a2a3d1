import type { ProviderLogout } from '../provider/oidc/logout-token.ts';
import type { Owner, SessionData } from './session.ts';
import type { Sessions } from './service.ts';
import type { MarkerSubject, SessionStore } from './store/store.ts';

/**
 * Carries out what a provider says in a logout token: ends the sessions it is about, and refuses the sign-ins that are under
 * way. Gives how many sessions there were, or `used` for a token that has had its effect before.
 */
export type ProviderLogouts = (logout: ProviderLogout) => Promise<number | 'used'>;

export function createProviderLogouts(deps: {
  sessions: Sessions;
  store: SessionStore;
  clock: () => number;
}): ProviderLogouts {
  const { sessions, store, clock } = deps;

  return async function endByProvider(logout) {
    if ((await store.getMarker(noteOf(logout))) !== undefined) return 'used';
    const isMeant = (data: SessionData) => isAbout(logout, data);
    const ended = await sessions.endSignInsOf(ownerOf(logout), 'backchannel_logout', isMeant);
    // Not before: a provider whose request fails half-way may send it again.
    await store.putMarker(noteOf(logout), '', logout.validUntilMs - clock());
    return ended;
  };
}

/** With a session of the provider's named, that one alone; without, all that the person has (section 2.4). */
function ownerOf({ issuer, subject, sid }: ProviderLogout): Owner {
  return sid === undefined
    ? { kind: 'subject', issuer, id: subject ?? '' }
    : { kind: 'sid', issuer, id: sid };
}

/** SECURITY: a token that comes late does not end what its person has begun since: both times are by the provider's clock. */
function isAbout({ subject, issuedAtSeconds }: ProviderLogout, data: SessionData): boolean {
  const { signedInAtSeconds = Math.floor(data.createdAtMs / 1000) } = data;
  return (subject === undefined || data.subject === subject) && signedInAtSeconds <= issuedAtSeconds;
}

function noteOf({ issuer, tokenId }: ProviderLogout): MarkerSubject {
  return ['logout-token', issuer, tokenId];
}
