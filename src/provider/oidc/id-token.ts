import { createHash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload } from 'jose';
import { KeySetError, type KeySet, type Verified } from './key-set.ts';

/** What became of an ID token: `unverifiable` when the keys to judge it by could not be had. */
export type IdTokenVerdict =
  | { kind: 'valid'; claims: JWTPayload & { sub: string } }
  | { kind: 'invalid'; cause: Error }
  | { kind: 'unverifiable'; cause: unknown };

/** What an ID token must be about to be taken. */
export type ExpectedLogin = {
  /** What the authorization request named; undefined where there was none. */
  readonly nonce: string | undefined;
  /** The access token that came with it. */
  readonly accessToken: string;
};

/** Checks ID tokens (OpenID Connect Core, section 3.1.3.7) after the token answer is in hand. Never throws. */
export type IdTokens = {
  readonly issuer: string;
  /** Checks the ID token of a login: that it is for us, new, and for this login. */
  ofLogin(idToken: string, expected: ExpectedLogin): Promise<IdTokenVerdict>;
  /** Checks one that came with a refresh: that it is for us and about the same person, whatever its age (section 12.2). */
  ofRefresh(idToken: string, expected: { readonly subject: string }): Promise<IdTokenVerdict>;
};

/** How far the provider's clock may be from ours when an ID token of a login is dated, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 60;
/** An ID token of a login is not older than a login may be, in seconds: some providers date theirs minutes back. */
const MAX_AGE_SECONDS = 600;
/** Any age passes: an ID token that comes with a refresh tells who, not when, and clocks may be hours apart. */
const ANY_AGE_SECONDS = 10 * 365 * 24 * 3600;

/**
 * Verifies ID tokens by the keys of their issuer, although over TLS the standard would do without a signature. `maxAge`
 * (seconds) and `acrValues` are what every authorization request asks for: what was asked for is then insisted on.
 */
export function createIdTokens(deps: {
  keySet: KeySet;
  issuer: string;
  clientId: string;
  maxAge: number | undefined;
  acrValues: readonly string[];
  clock: () => number;
}): IdTokens {
  const { keySet, issuer, clientId, maxAge, acrValues, clock } = deps;
  const base = { issuer, audience: clientId };

  const judge = async (
    verified: Promise<Verified>,
    check: (token: Verified) => void,
  ): Promise<IdTokenVerdict> => {
    try {
      const token = await verified;
      checkAudience(token.claims, clientId);
      check(token);
      return { kind: 'valid', claims: { ...token.claims, sub: subjectOf(token.claims) } };
    } catch (cause) {
      if (cause instanceof KeySetError) return { kind: 'unverifiable', cause };
      return refusal(cause);
    }
  };

  return {
    issuer,

    ofLogin(idToken, { nonce, accessToken }) {
      const now = clock();
      const checks = {
        ...base,
        requiredClaims: ['sub', 'exp', 'iat', ...(nonce === undefined ? [] : ['nonce'])],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        maxTokenAge: MAX_AGE_SECONDS,
        currentDate: new Date(now),
      };
      return judge(keySet.verify(idToken, checks), ({ header, claims }) => {
        // `1e999` is a number in JSON, and would never be over.
        if (!Number.isFinite(claims.exp)) throw refuse('exp', 'is not a time');
        if (nonce !== undefined && claims['nonce'] !== nonce)
          throw refuse('nonce', 'does not match this login');
        checkAccessTokenHash(claims['at_hash'], accessToken, header.alg);
        checkAuthentication(claims, now / 1000);
      });
    },

    async ofRefresh(idToken, { subject }) {
      const checks = { ...base, subject, clockTolerance: ANY_AGE_SECONDS, currentDate: new Date(clock()) };
      const verdict = await judge(keySet.verify(idToken, checks), () => undefined);
      if (verdict.kind !== 'unverifiable') return verdict;
      // SECURITY: it came from the token endpoint itself: who it is about counts, be its signature unknown for now.
      try {
        checkRelation(decodeJwt(idToken), subject);
        return verdict;
      } catch (cause) {
        return refusal(cause);
      }
    },
  };

  /** What else jose checks, with the signature. */
  function checkRelation(claims: JWTPayload, subject: string): void {
    if (claims.iss !== issuer) throw refuse('iss', 'names a different issuer');
    if (claims.sub !== subject) throw refuse('sub', 'names a different person');
    if (![claims.aud].flat().includes(clientId)) throw refuse('aud', 'names a different client');
    checkAudience(claims, clientId);
  }

  /** What was asked for in every authorization request must have been done (section 3.1.3.7, items 12 and 13). */
  function checkAuthentication({ auth_time: authTime, acr }: JWTPayload, nowSeconds: number): void {
    if (authTime !== undefined && !Number.isFinite(authTime)) throw refuse('auth_time', 'is not a time');
    if (maxAge !== undefined) {
      if (typeof authTime !== 'number')
        throw refuse('auth_time', 'is missing, although max_age was requested');
      if (nowSeconds - authTime > maxAge + CLOCK_TOLERANCE_SECONDS)
        throw refuse('auth_time', 'is older than max_age allows');
    }
    if (acrValues.length > 0 && !(typeof acr === 'string' && acrValues.includes(acr)))
      throw refuse('acr', 'is not one of the requested values');
  }
}

function refusal(cause: unknown): IdTokenVerdict {
  return { kind: 'invalid', cause: cause instanceof Error ? cause : new Error('unknown error') };
}

/** SECURITY: a token meant for others besides us, or issued to another, is refused (section 3.1.3.7, items 3 to 5). */
function checkAudience({ aud, azp }: JWTPayload, clientId: string): void {
  if (Array.isArray(aud) && aud.length > 1) throw refuse('aud', 'names audiences other than this client');
  if (azp !== undefined && azp !== clientId) throw refuse('azp', 'names a different client');
}

/** A person's identifier has 1 to 255 characters (section 2). */
function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub !== 'string' || sub === '' || sub.length > 255) throw refuse('sub', 'is not an identifier');
  return sub;
}

/** Section 3.1.3.8. The hash is that of the signature's algorithm; Ed25519 has SHA-512 inside. */
function checkAccessTokenHash(given: unknown, accessToken: string, algorithm: string): void {
  if (given === undefined) return;
  const bits = /(?:256|384|512)$/.exec(algorithm)?.[0] ?? (algorithm.startsWith('Ed') ? '512' : undefined);
  if (bits === undefined) return;
  const digest = createHash(`sha${bits}`).update(accessToken).digest();
  if (given !== digest.subarray(0, digest.length / 2).toString('base64url'))
    throw refuse('at_hash', 'does not match the access token');
}

function refuse(claim: string, what: string): Error {
  return new errors.JWTInvalid(`"${claim}" ${what}`);
}
