import type { ProviderResponse, ProviderRequest } from './messages.ts';
import type { Families } from './families.ts';
import { claimsAbout } from './person-claims.ts';

/** The userinfo endpoint (OpenID Connect Core, section 5.3), by an access token that is active. */
export function createUserinfo({ families }: { families: Families }) {
  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const token = /^Bearer (\S+)$/i.exec(request.authorization ?? '')?.[1];
    const family = token === undefined ? undefined : families.ofActive(token);
    if (family === undefined) {
      return { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };
    }
    return { status: 200, body: claimsAbout(family.grant.subject, family.grant.scopes) };
  };
}
