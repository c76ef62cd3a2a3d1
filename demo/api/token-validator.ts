import { createHash } from 'node:crypto';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

/** The caller of a request and the token they used. */
export interface Caller {
  subject: string;
  clientId: string;
  scope: string;
  /** When the person last proved who they are, in seconds since the epoch; undefined where the token does not say. */
  authTime: number | undefined;
  token: {
    /** First 8 hex digits of the SHA-256 of the token's `jti`: identifies a token without revealing it. */
    fingerprint: string;
    /** Seconds until the token expires. */
    secondsLeft: number;
  };
}

/** Validates the access tokens of callers. */
export interface TokenValidator {
  /** The caller named by an `Authorization` header. Throws {@link Unauthorized} unless the token is valid. */
  verify(authorization: string | undefined): Promise<Caller>;
  /** Rejects the presented token from now on, before it expires. Throws {@link Unauthorized}. */
  reject(authorization: string | undefined): Promise<Caller>;
  /** Like `verify`, for a call that needs a sign-in of the last `maxAge` seconds (RFC 9470). Throws {@link Unauthorized}. */
  verifyFresh(authorization: string | undefined, maxAge: number): Promise<Caller>;
}

/** Thrown for a call without a valid token; `challenge` is its `WWW-Authenticate` header (RFC 6750, section 3; RFC 9470, section 3). */
export class Unauthorized extends Error {
  override readonly name = 'Unauthorized';
  readonly challenge: string;

  constructor(challenge: string) {
    super(challenge);
    this.challenge = challenge;
  }
}

/**
 * Creates the validator: signature by the issuer's published keys, type, issuer, audience and expiry (RFC 9068,
 * section 4), and the tokens rejected early. There is no leeway on the clock.
 */
export function createTokenValidator(issuer: string, audience: string): TokenValidator {
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  const rejected = new Set<string>();

  async function read(authorization: string | undefined) {
    const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new Unauthorized('Bearer');
    const { payload } = await jwtVerify<{ client_id: string; scope?: string; auth_time?: number }>(
      token,
      keys,
      {
        issuer,
        audience,
        typ: 'at+jwt',
        algorithms: ['RS256'],
        requiredClaims: ['sub', 'exp', 'jti', 'client_id'],
      },
    ).catch((error: unknown) => {
      throw error instanceof errors.JOSEError ? invalid(error.message) : error;
    });
    const { sub = '', exp = 0, jti = '', client_id: clientId, scope = '', auth_time: authTime } = payload;
    if (rejected.has(jti)) throw invalid('this API rejects the token');
    const fingerprint = createHash('sha256').update(jti).digest('hex').slice(0, 8);
    const secondsLeft = Math.max(0, exp - Date.now() / 1000);
    return { jti, caller: { subject: sub, clientId, scope, authTime, token: { fingerprint, secondsLeft } } };
  }

  return {
    async verify(authorization) {
      return (await read(authorization)).caller;
    },
    async reject(authorization) {
      const { jti, caller } = await read(authorization);
      rejected.add(jti);
      return caller;
    },
    async verifyFresh(authorization, maxAge) {
      const { caller } = await read(authorization);
      // In whole seconds, as the provider counts: it asks again only when it finds the sign-in too old itself.
      const age = Math.floor(Date.now() / 1000) - (caller.authTime ?? 0);
      if (age > maxAge) {
        throw new Unauthorized(`Bearer error="insufficient_user_authentication", max_age="${maxAge}"`);
      }
      return caller;
    },
  };
}

function invalid(reason: string): Unauthorized {
  const description = reason.replaceAll(/["\\]/g, '');
  return new Unauthorized(`Bearer error="invalid_token", error_description="${description}"`);
}
