import type { ProviderResponse, ProviderRequest } from '../messages.ts';
import type { Families } from '../tokens/families.ts';
import { claimsAbout } from '../person-claims.ts';
import type { ProviderSettings } from '../settings.ts';

/** The userinfo endpoint (OpenID Connect Core, section 5.3), for an active access token. */
export function createUserinfo({ families, settings }: { families: Families; settings: ProviderSettings }) {
  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const token = /^Bearer (\S+)$/i.exec(request.authorization ?? '')?.[1];
    const family = token === undefined ? undefined : families.ofActive(token);
    if (family === undefined) {
      return { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };
    }
    const claims = claimsAbout(family.grant.subject, family.grant.scopes);
    return { status: 200, body: settings.patchUserinfo?.(claims) ?? claims };
  };
}
