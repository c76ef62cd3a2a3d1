import { decodeJwt, errors, type JWTPayload } from 'jose';
import type { CustomFetch } from 'openid-client';
import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { KeySetError } from '../oidc/key-set.ts';
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.ts';

/**
 * The verdict on an access token. `unavailable`: the keys of its issuer cannot be fetched, or were looked up too often for
 * tokens with unknown keys, of which this is one.
 */
export type AccessTokenVerdict =
  | {
      readonly kind: 'valid';
      /** A hash of the token, which gives no access. */
      readonly id: string;
      readonly claims: JWTPayload;
      readonly expiresAtMs: number;
    }
  | { readonly kind: 'invalid'; readonly cause: unknown }
  | { readonly kind: 'unavailable'; readonly mayBeForged: boolean; readonly cause: unknown };

/** Verifies access tokens that callers bring themselves: JWTs with the profile of RFC 9068. */
export type AccessTokenVerifier = {
  verify(token: string, accepted: Accepted): Promise<AccessTokenVerdict>;
};

/** The keys of a route's `bearer`. */
type Accepted = { readonly issuers: readonly string[]; readonly audience: string };

/** How far the clock of an issuer may be off, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** How long a verified token is not verified again, in milliseconds. */
const REMEMBERED_MS = 60_000;
/** How many verified tokens are remembered, and their maximum size in bytes. */
const MAX_REMEMBERED = 1_000;
const MAX_BYTES = 4 * 1024 * 1024;

/** Types of access tokens; RFC 9068, section 4, requires the first, and many providers send the second. */
const types: ReadonlySet<string | undefined> = new Set(['at+jwt', 'jwt']);

/** Claims that only ID tokens and logout tokens have. */
const foreignClaims = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'] as const;

type Remembered = {
  readonly claims: JWTPayload;
  readonly untilMs: number;
  readonly expiresAtMs: number;
  /** The size of the token that the claims are from. */
  readonly bytes: number;
};

export function createAccessTokenVerifier(deps: {
  fetch: CustomFetch;
  timeoutMs: number;
  clock: () => number;
}): AccessTokenVerifier {
  const { clock } = deps;
  const keysOf = new Map<string, IssuerKeys>();
  const issuerKeys = (issuer: string): IssuerKeys => {
    const known = keysOf.get(issuer) ?? createIssuerKeys({ ...deps, issuer });
    keysOf.set(issuer, known);
    return known;
  };
  const remembered = createBoundedMap<string, Remembered>({
    maxEntries: MAX_REMEMBERED,
    maxSize: MAX_BYTES,
    sizeOf: ({ bytes }) => bytes,
    isExpired: ({ untilMs }) => untilMs <= clock(),
  });

  const verifySignature = async (token: string, { issuers, audience }: Accepted) => {
    // Read before it is verified, to find the keys. Only configured issuers have any.
    const { iss } = decodeJwt(token);
    if (iss === undefined || !issuers.includes(iss)) throw new errors.JWTInvalid('unexpected "iss"');
    const keySet = await issuerKeys(iss)().catch((cause: unknown) => {
      throw new KeySetError('unavailable', cause);
    });
    const { header, claims } = await keySet.verify(token, {
      issuer: iss,
      audience,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    });
    checkKind(header.typ, claims);
    return { claims, expiresAtMs: (claims.exp ?? 0) * 1000 };
  };

  return {
    async verify(token, accepted) {
      // One token may be valid on one route and not on another.
      const id = hashIdentifier('bearer', JSON.stringify([token, accepted.audience, accepted.issuers]));
      const known = remembered.get(id);
      if (known !== undefined)
        return { kind: 'valid', id, claims: known.claims, expiresAtMs: known.expiresAtMs };
      try {
        const { claims, expiresAtMs } = await verifySignature(token, accepted);
        remembered.set(id, {
          claims,
          expiresAtMs,
          bytes: token.length,
          untilMs: Math.min(clock() + REMEMBERED_MS, expiresAtMs),
        });
        return { kind: 'valid', id, claims, expiresAtMs };
      } catch (cause) {
        if (!(cause instanceof KeySetError)) return { kind: 'invalid', cause };
        return { kind: 'unavailable', mayBeForged: cause.reason === 'throttled', cause };
      }
    },
  };
}

/** SECURITY: no other token of the same issuer counts as an access token (RFC 8725, sections 3.11 and 3.12). */
function checkKind(typ: string | undefined, claims: JWTPayload): void {
  const type = typ?.toLowerCase().replace(/^application\//, '');
  if (!types.has(type)) throw new errors.JWTInvalid('its type is not that of an access token');
  const foreign = foreignClaims.find((name) => Object.hasOwn(claims, name));
  if (foreign !== undefined) throw new errors.JWTInvalid(`it has "${foreign}", which no access token has`);
  // The gateway checks no proof of possession, so it must not let a bound token through (RFC 7800).
  if (Object.hasOwn(claims, 'cnf')) throw new errors.JWTInvalid('it is bound to a key ("cnf")');
}
