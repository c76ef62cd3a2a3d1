import { ProofError, thumbprintInToken } from '../../dpop/proof-verifier.ts';
import type { ProviderResponse, ProviderRequest } from '../messages.ts';
import type { Families } from '../tokens/families.ts';
import { claimsAbout } from '../person-claims.ts';
import type { ProviderSettings } from '../settings.ts';

/** The userinfo endpoint (OpenID Connect Core, section 5.3), for an active access token. */
export function createUserinfo(parts: { families: Families; settings: ProviderSettings; url: string }) {
  const { families, settings, url } = parts;
  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const { proofs } = settings;
    const scheme = proofs === undefined ? 'Bearer' : 'DPoP';
    const token = new RegExp(`^${scheme} (\\S+)$`, 'i').exec(request.authorization ?? '')?.[1];
    const family = token === undefined ? undefined : families.ofActive(token);
    const refuse = (error: string) => ({
      status: 401,
      headers: { 'www-authenticate': `${scheme} error="${error}"` },
    });
    if (token === undefined || family === undefined) return refuse('invalid_token');
    try {
      const proven = { method: request.method, url, accessToken: token };
      const thumbprint = await proofs?.verify(request.proof, proven);
      if (thumbprint !== undefined && thumbprint !== thumbprintInToken(token)) return refuse('invalid_token');
    } catch (error) {
      if (error instanceof ProofError) return refuse(error.code);
      throw error;
    }
    const claims = claimsAbout(family.grant.subject, family.grant.scopes);
    return { status: 200, body: settings.patchUserinfo?.(claims) ?? claims };
  };
}
