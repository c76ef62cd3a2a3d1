import type { JWTPayload } from 'jose';
import type { FakeProvider } from '../fake-provider/fake-provider.ts';
import type { AgentResponse } from '../user-agent/transport.ts';
import type { UserAgent } from '../user-agent/user-agent.ts';

/** The member of `events` that makes a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4). */
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

let made = 0;

/** The claims of a current logout token with a unique `jti`. */
export function logoutClaims(
  { issuer, client }: FakeProvider,
  about: { sub?: string; sid?: string; iat?: number },
): JWTPayload {
  made += 1;
  const iat = Math.floor(Date.now() / 1000);
  const jti = `${issuer} logout ${made}`;
  return { iss: issuer, aud: client.id, iat, exp: iat + 120, jti, events: { [LOGOUT_EVENT]: {} }, ...about };
}

/** A logout token of the provider. */
export function logoutToken(
  provider: FakeProvider,
  about: { sub?: string; sid?: string; iat?: number },
): Promise<string> {
  return provider.sign(logoutClaims(provider, about), 'logout+jwt');
}

/** Posts a logout token as a provider does: without cookies and without browser headers. */
export function postLogoutToken(to: UserAgent, token: string): Promise<AgentResponse> {
  return to.post('/auth/backchannel-logout', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ logout_token: token }).toString(),
  });
}
