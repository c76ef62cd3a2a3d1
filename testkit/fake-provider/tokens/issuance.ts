import type { Families, Family } from './families.ts';
import { claimsAbout } from '../person-claims.ts';
import type { Secrets } from '../secrets.ts';
import type { ProviderSettings } from '../settings.ts';
import type { Signer } from './signer.ts';

/** Issues tokens and records each in the ledger and among the secrets. */
export type Issuance = {
  /** The part of a token response about the access token (RFC 6749, section 5.1). */
  accessToken(
    family: Family,
    scopes: readonly string[],
    resource: string | undefined,
    thumbprint?: string,
  ): Promise<{ access_token: string; token_type: string; expires_in: number; scope: string }>;
  refreshToken(family: Family, generation: number): Promise<string>;
  /** An ID token; the nonce is only in that of the sign-in (OpenID Connect Core, section 12.2). */
  idToken(family: Family, grantType: 'authorization_code' | 'refresh_token'): Promise<string>;
};

type IssuanceParts = {
  issuer: string;
  settings: ProviderSettings;
  families: Families;
  signer: Signer;
  secrets: Secrets;
  nowMs: () => number;
};

/** Creates the token issuance. */
export function createIssuance({
  issuer,
  settings,
  families,
  signer,
  secrets,
  nowMs,
}: IssuanceParts): Issuance {
  return {
    accessToken: async (family, scopes, resource, thumbprint) => {
      const lifetime = settings.accessTokenLifetime;
      const issuedAtMs = nowMs();
      const iat = Math.floor(issuedAtMs / 1000);
      const scope = scopes.join(' ');
      const audience =
        resource ?? settings.audienceOf?.(family.grant, scopes) ?? family.grant.resource ?? settings.audience;
      const claims = {
        iss: issuer,
        sub: family.grant.subject,
        aud: audience.includes(' ') ? audience.split(' ') : audience,
        client_id: settings.client.id,
        scope,
        sid: family.grant.sid,
        jti: secrets.record('access_token', secrets.mint('at')),
        iat,
        exp: iat + lifetime,
        // RFC 9449, section 6.1.
        ...(thumbprint !== undefined && { cnf: { jkt: thumbprint } }),
        // RFC 9470, section 6.2.
        ...(family.grant.acr !== undefined && { acr: family.grant.acr }),
        auth_time: Math.floor(family.grant.authTimeMs / 1000),
      };
      const token = secrets.record('access_token', await signer.sign(claims, 'at+jwt'));
      families.addAccessToken(family, token, issuedAtMs + lifetime * 1000);
      const type = thumbprint === undefined ? 'Bearer' : 'DPoP';
      return { access_token: token, token_type: type, expires_in: lifetime, scope };
    },

    refreshToken: async (family, generation) => {
      const random = secrets.mint('rt');
      const shaped = await settings.shapeRefreshToken?.(random, family.grant);
      const token = secrets.record('refresh_token', shaped ?? random);
      families.addRefreshToken(family, token, generation);
      return token;
    },

    idToken: async (family, grantType) => {
      const { grant } = family;
      const iat = Math.floor(nowMs() / 1000);
      const claims = {
        iss: issuer,
        ...claimsAbout(grant.subject, grant.scopes),
        aud: settings.client.id,
        sid: grant.sid,
        jti: secrets.mint('id'),
        iat,
        exp: iat + settings.idTokenLifetime,
        auth_time: Math.floor(grant.authTimeMs / 1000),
        ...(grant.acr !== undefined && { acr: grant.acr }),
        ...(grantType === 'authorization_code' && { nonce: grant.nonce }),
      };
      const patched = settings.patchIdToken?.(claims, grantType) ?? claims;
      return secrets.record('id_token', await signer.signIdToken(patched));
    },
  };
}
