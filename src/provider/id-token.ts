import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { CustomFetch, ServerMetadata } from 'openid-client';

/** What became of an ID token that came with a refresh. */
export type RefreshedIdToken =
  | { kind: 'valid'; claims: Readonly<Record<string, unknown>> }
  | { kind: 'invalid'; cause: unknown }
  | { kind: 'unverifiable'; cause: unknown };

/** Checks ID tokens that come with a refresh. */
export type IdTokenVerifier = (idToken: string, subject: string) => Promise<RefreshedIdToken>;

/** Any age passes: an ID token that comes with a refresh tells who, not when, and clocks may be hours apart. */
const ANY_AGE_SECONDS = 10 * 365 * 24 * 3600;

/** What jose 6 says when the key set is at fault, and not the token: it could not be fetched, read, or chosen from. */
const keySetFaults = new Set([
  'ERR_JOSE_GENERIC',
  'ERR_JWKS_TIMEOUT',
  'ERR_JWKS_INVALID',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
]);

/**
 * Verifies an ID token that came with a refresh: signature, issuer, audience (only us) and the same subject (OpenID
 * Connect Core, section 12.2). It is done after the answer is in hand, so that no fault in it can lose a rotated refresh
 * token; where the keys cannot be fetched the answer is `unverifiable`.
 */
export function createIdTokenVerifier(deps: {
  metadata: Readonly<ServerMetadata>;
  clientId: string;
  fetch: CustomFetch;
}): IdTokenVerifier {
  const { metadata, clientId } = deps;
  const keys = openKeySet(metadata, deps.fetch);
  const algorithms = (metadata.id_token_signing_alg_values_supported ?? ['RS256']).filter(isAsymmetric);

  return async (idToken, subject) => {
    try {
      const { payload } = await jwtVerify(idToken, keys, {
        issuer: metadata.issuer,
        audience: clientId,
        algorithms,
        subject,
        clockTolerance: ANY_AGE_SECONDS,
      });
      // SECURITY: a token meant for others besides us is refused (OpenID Connect Core, section 3.1.3.7, item 3).
      if (Array.isArray(payload.aud) && payload.aud.length > 1) {
        return {
          kind: 'invalid',
          cause: new Error('the ID token names other audiences besides this client'),
        };
      }
      return { kind: 'valid', claims: payload };
    } catch (cause) {
      const refused = cause instanceof errors.JOSEError && !keySetFaults.has(cause.code);
      return refused ? { kind: 'invalid', cause } : { kind: 'unverifiable', cause };
    }
  };
}

function openKeySet(metadata: Readonly<ServerMetadata>, fetch: CustomFetch): JWTVerifyGetKey {
  if (metadata.jwks_uri === undefined) {
    return () => Promise.reject(new Error('the provider names no jwks_uri'));
  }
  return createRemoteJWKSet(new URL(metadata.jwks_uri), {
    // A key just rotated in must not end sessions. Only the provider's own answers lead here, so nobody else can make us ask.
    cooldownDuration: 0,
    [customFetch]: (url, { headers, method, signal }) =>
      fetch(url, { headers: Object.fromEntries(headers), method, signal, redirect: 'manual', body: null }),
  });
}

function isAsymmetric(algorithm: string): boolean {
  return algorithm !== 'none' && !algorithm.startsWith('HS');
}
