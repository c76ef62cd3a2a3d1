import { createHash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload } from 'jose';
import { hasUntrustedAudience, type TrustedAudiences } from './audience.ts';
import { KeySetError, type KeySet, type Verified } from './key-set.ts';
import { PROVIDER_CLOCK_TOLERANCE_SECONDS } from '../../timing.ts';

/**
 * The result of checking an ID token. `unverifiable` says nothing about who signed in: the provider's JWKS could not be
 * fetched, or the ID token of a refresh is for the same user but cannot be verified.
 */
export type IdTokenVerdict =
  | { kind: 'valid'; claims: JWTPayload & { sub: string } }
  | { kind: 'invalid'; cause: Error }
  | { kind: 'unverifiable'; cause: unknown };

/** The expected values for the ID token of a login. */
export type ExpectedLogin = {
  /** The nonce of the authorization request; undefined where there was none. */
  readonly nonce: string | undefined;
  /** The `max_age` of this authorization request besides that of every one, in seconds. */
  readonly maxAge?: number | undefined;
  /** Of a step-up: the contexts that it asked for in place of those of every request. The caller checks them. */
  readonly acrValues?: readonly string[] | undefined;
  /** The access token that came with it. */
  readonly accessToken: string;
};

/** Checks ID tokens (OpenID Connect Core, section 3.1.3.7) of token responses. Never throws. */
export type IdTokens = {
  readonly issuer: string;
  /** Checks the ID token of a login: it is for this client, new, and for this login. */
  ofLogin(idToken: string, expected: ExpectedLogin): Promise<IdTokenVerdict>;
  /**
   * Checks the ID token of a refresh, whatever its age (section 12.2). It is invalid only when it names another user,
   * issuer or audience. Anything else that is wrong with it, a missing claim included, makes it unverifiable: providers
   * rotate keys and algorithms.
   */
  ofRefresh(idToken: string, expected: { readonly subject: string }): Promise<IdTokenVerdict>;
};

/** The oldest ID token that a login accepts, in seconds: some providers date theirs minutes back. */
const MAX_AGE_SECONDS = 600;
/** Accepts any age: the ID token of a refresh identifies the user, and clocks may differ by hours. */
const ANY_AGE_SECONDS = 10 * 365 * 24 * 3600;

/**
 * Verifies ID tokens with the keys of their issuer, although the standard requires no signature check over TLS. Every
 * authorization request asks for `maxAge` (seconds) and `acrValues`, so every ID token must meet them.
 */
export function createIdTokens(deps: {
  keySet: KeySet;
  issuer: string;
  clientId: string;
  /** Audiences that ID tokens may have besides this client. */
  audiences: readonly string[];
  maxAge: number | undefined;
  acrValues: readonly string[];
  clock: () => number;
}): IdTokens {
  const { keySet, issuer, clientId, audiences, maxAge, acrValues, clock } = deps;
  const base = { issuer, audience: clientId };

  const checkVerified = async (
    verified: Promise<Verified>,
    check: (token: Verified) => void,
  ): Promise<IdTokenVerdict> => {
    try {
      const token = await verified;
      checkAudience(token.claims, { clientId, audiences });
      check(token);
      return { kind: 'valid', claims: { ...token.claims, sub: subjectOf(token.claims) } };
    } catch (cause) {
      if (cause instanceof KeySetError) return { kind: 'unverifiable', cause };
      return invalid(cause);
    }
  };

  return {
    issuer,

    ofLogin(idToken, { nonce, maxAge: maxAgeOfLogin, acrValues: acrValuesOfLogin = [], accessToken }) {
      const now = clock();
      const checks = {
        ...base,
        requiredClaims: ['sub', 'exp', 'iat', ...(nonce === undefined ? [] : ['nonce'])],
        clockTolerance: PROVIDER_CLOCK_TOLERANCE_SECONDS,
        maxTokenAge: MAX_AGE_SECONDS,
        currentDate: new Date(now),
      };
      return checkVerified(keySet.verify(idToken, checks), ({ header, claims }) => {
        // `1e999` is a number in JSON, and would never expire.
        if (!Number.isFinite(claims.exp)) throw invalidClaim('exp', 'is not a time');
        if (nonce !== undefined && claims['nonce'] !== nonce)
          throw invalidClaim('nonce', 'does not match this login');
        checkAccessTokenHash(claims['at_hash'], accessToken, header.alg);
        checkAuthentication(claims, {
          nowSeconds: now / 1000,
          maxAges: [maxAge, maxAgeOfLogin],
          acceptable: acrValuesOfLogin.length > 0 ? [] : acrValues,
        });
      });
    },

    async ofRefresh(idToken, { subject }) {
      let claims: JWTPayload;
      try {
        claims = decodeJwt(idToken);
      } catch (cause) {
        return { kind: 'unverifiable', cause };
      }
      // SECURITY: it came from the token endpoint itself, so its subject counts even without a verified signature.
      try {
        checkIdentity(claims, subject);
      } catch (cause) {
        return invalid(cause);
      }
      const checks = { ...base, subject, clockTolerance: ANY_AGE_SECONDS, currentDate: new Date(clock()) };
      const verdict = await checkVerified(keySet.verify(idToken, checks), () => undefined);
      return verdict.kind === 'invalid' ? { kind: 'unverifiable', cause: verdict.cause } : verdict;
    },
  };

  /** Throws for claims that name another user, issuer or audience. A missing claim names none. */
  function checkIdentity({ iss, sub, aud }: JWTPayload, subject: string): void {
    const audiences = [aud ?? []].flat();
    if (iss !== undefined && iss !== issuer) throw invalidClaim('iss', 'names a different issuer');
    if (sub !== undefined && sub !== subject) throw invalidClaim('sub', 'names a different user');
    if (audiences.length > 0 && !audiences.includes(clientId))
      throw invalidClaim('aud', 'names a different client');
  }

  /** The authentication must meet the parameters of the authorization request (section 3.1.3.7, items 12 and 13). */
  function checkAuthentication(
    { auth_time: authTime, acr }: JWTPayload,
    {
      nowSeconds,
      maxAges,
      acceptable,
    }: {
      nowSeconds: number;
      maxAges: ReadonlyArray<number | undefined>;
      acceptable: readonly string[];
    },
  ): void {
    if (authTime !== undefined && !Number.isFinite(authTime))
      throw invalidClaim('auth_time', 'is not a time');
    for (const oldest of maxAges) {
      if (oldest === undefined) continue;
      if (typeof authTime !== 'number')
        throw invalidClaim('auth_time', 'is missing, although max_age was requested');
      if (nowSeconds - authTime > oldest + PROVIDER_CLOCK_TOLERANCE_SECONDS)
        throw invalidClaim('auth_time', 'is older than max_age allows');
    }
    if (acceptable.length > 0 && !(typeof acr === 'string' && acceptable.includes(acr)))
      throw invalidClaim('acr', 'is not one of the requested values');
  }
}

function invalid(cause: unknown): IdTokenVerdict {
  return { kind: 'invalid', cause: cause instanceof Error ? cause : new Error('unknown error') };
}

/** SECURITY: rejects a token that is also for other clients, or was issued to another one (section 3.1.3.7, items 3 to 5). */
function checkAudience(claims: JWTPayload, trusted: TrustedAudiences): void {
  const { azp } = claims;
  if (hasUntrustedAudience(claims, trusted))
    throw invalidClaim('aud', 'names audiences other than this client');
  if (azp !== undefined && azp !== trusted.clientId) throw invalidClaim('azp', 'names a different client');
}

/** The identifier of a user has 1 to 255 characters (section 2). */
function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub !== 'string' || sub === '' || sub.length > 255)
    throw invalidClaim('sub', 'is not an identifier');
  return sub;
}

/** Section 3.1.3.8. The signature algorithm determines the hash; Ed25519 uses SHA-512. */
function checkAccessTokenHash(given: unknown, accessToken: string, algorithm: string): void {
  if (given === undefined) return;
  const bits = /(?:256|384|512)$/.exec(algorithm)?.[0] ?? (algorithm.startsWith('Ed') ? '512' : undefined);
  if (bits === undefined) return;
  const digest = createHash(`sha${bits}`).update(accessToken).digest();
  if (given !== digest.subarray(0, digest.length / 2).toString('base64url'))
    throw invalidClaim('at_hash', 'does not match the access token');
}

function invalidClaim(claim: string, what: string): Error {
  return new errors.JWTInvalid(`"${claim}" ${what}`);
}
