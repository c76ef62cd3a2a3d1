import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
} from 'jose';
import type { CustomFetch } from 'openid-client';

/** What a provider signed: its header, and its claims. */
export type Verified = { header: JWTHeaderParameters; claims: JWTPayload };

/** The keys that a provider publishes, and what it has signed with them. */
export type KeySet = {
  /**
   * Verifies a JWT of the provider: its signature, by one of the algorithms allowed, and `checks`.
   *
   * @throws JOSEError where the token is at fault, and {@link KeySetError} where the keys are.
   */
  verify(token: string, checks: Omit<JWTVerifyOptions, 'algorithms'>): Promise<Verified>;
};

/** The keys could not be had, or are of no use: nothing is known of the token. */
export class KeySetError extends Error {
  override readonly name = 'KeySetError';
}

/** Keys this old are read again before they are used, in milliseconds; while that fails they serve on. */
const MAX_AGE_MS = 600_000;

/** The keys may be read so often at once, and then once a pause (in milliseconds), whatever tokens are shown. */
const READS_AT_ONCE = 10;
const READ_PAUSE_MS = 6_000;

/** What jose 6 says when the key set is at fault, and not the token. */
const keySetFaults = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']);

/**
 * Reads the provider's JSON Web Key Set (RFC 7517) when a token needs it, and at once when none of the keys fits: the
 * provider may have put a new one in place just before it signed (OpenID Connect Core, section 10.1.1), and some do so
 * under the old name, or under none.
 */
export function createKeySet(deps: {
  jwksUri: string;
  /** The only ones that count, whatever a token says of itself; asymmetric. */
  algorithms: readonly string[];
  fetch: CustomFetch;
  timeoutMs: number;
  clock: () => number;
}): KeySet {
  const { clock } = deps;
  const algorithms = [...deps.algorithms];
  // When it is read is decided here, and not by rules of jose's own.
  const published = createRemoteJWKSet(new URL(deps.jwksUri), {
    cooldownDuration: Infinity,
    cacheMaxAge: Infinity,
    timeoutDuration: deps.timeoutMs,
    [customFetch]: (url, { headers, method, signal }) =>
      deps.fetch(url, {
        headers: Object.fromEntries(headers),
        method,
        signal,
        redirect: 'manual',
        body: null,
      }),
  });
  let readAtMs = -Infinity;
  let spentUntilMs = -Infinity;

  const read = async () => {
    if (!published.reloading) {
      // SECURITY: anybody may show tokens of keys that there are not; they cannot make us ask without end.
      const now = clock();
      const nextMs = Math.max(spentUntilMs, now) + READ_PAUSE_MS;
      if (nextMs - now > READS_AT_ONCE * READ_PAUSE_MS)
        throw new KeySetError("the provider's JWKS was fetched too often; try again later");
      spentUntilMs = nextMs;
    }
    await published.reload();
    readAtMs = clock();
  };

  const attempt = async (token: string, checks: JWTVerifyOptions): Promise<Verified> => {
    const options = { ...checks, algorithms };
    try {
      return verifiedOf(await jwtVerify(token, published, options));
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // A token that names no key, or keys of one name: each of those that fit may be the one.
      for await (const key of error) {
        try {
          return verifiedOf(await jwtVerify(token, key, options));
        } catch (inner) {
          if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  };

  return {
    async verify(token, checks) {
      try {
        if (clock() - readAtMs >= MAX_AGE_MS) {
          await read().catch((error: unknown) => {
            if (!published.fresh) throw error;
          });
        }
        try {
          return await attempt(token, checks);
        } catch (error) {
          if (!isPerhapsOfNewKey(error)) throw error;
          await read();
          return await attempt(token, checks);
        }
      } catch (cause) {
        const isAboutToken = cause instanceof errors.JOSEError && !keySetFaults.has(cause.code);
        if (isAboutToken || cause instanceof KeySetError) throw cause;
        throw new KeySetError("cannot fetch the provider's JWKS", { cause });
      }
    },
  };
}

function verifiedOf(result: { protectedHeader: JWTHeaderParameters; payload: JWTPayload }): Verified {
  return { header: result.protectedHeader, claims: result.payload };
}

function isPerhapsOfNewKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}
