import type { SessionData } from './session.ts';

type GrantHolder = Pick<SessionData, 'issuer' | 'subject' | 'providerSessionId' | 'steppedUp'> & {
  readonly tokens: Pick<SessionData['tokens'], 'refreshToken'>;
};

/**
 * True if the tokens of a later sign-in may belong to the same grant as those of a session. Providers that add a sign-in to
 * a grant, or return its refresh token again, end the whole grant when one of the tokens is revoked (Keycloak, Google).
 * A step-up takes place within the provider's session: only another `sid` shows that its grant is another one.
 */
export function usesSameGrant(session: GrantHolder, later: GrantHolder): boolean {
  if (session.issuer !== later.issuer || session.subject !== later.subject) return false;
  if (session.tokens.refreshToken === later.tokens.refreshToken) return true;
  const sids = [session.providerSessionId, later.providerSessionId];
  if (sids.includes(undefined)) return later.steppedUp !== undefined;
  return session.providerSessionId === later.providerSessionId;
}
