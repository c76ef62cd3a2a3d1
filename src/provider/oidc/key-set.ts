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

/** A JWT whose signature is verified. */
export type Verified = { header: JWTHeaderParameters; claims: JWTPayload };

/** Verifies what a provider has signed, with the keys that it publishes. */
export type KeySet = {
  /**
   * Verifies the signature of a JWT, with one of the allowed algorithms, and `checks`.
   *
   * @throws JOSEError when the token is at fault, and {@link KeySetError} when the keys are.
   */
  verify(token: string, checks: Omit<JWTVerifyOptions, 'algorithms'>): Promise<Verified>;
};

/** The JWKS could not be fetched or used; the token may be valid or not. */
export class KeySetError extends Error {
  override readonly name = 'KeySetError';
}

/** Older keys are fetched again before use, in milliseconds; while that fails, they stay in use. */
const MAX_AGE_MS = 600_000;

/** The JWKS may be fetched this often at once, and then once per interval (in milliseconds), whatever tokens arrive. */
const FETCH_BURST = 10;
const FETCH_INTERVAL_MS = 6_000;

/** Error codes of jose 6 that blame the key set, not the token. */
const keySetErrorCodes = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']);

/**
 * Fetches the provider's JSON Web Key Set (RFC 7517) when a token needs it, and again when none of the keys matches: the
 * provider may have rotated its keys just before it signed (OpenID Connect Core, section 10.1.1), and some reuse the old
 * key ID or have none.
 */
export function createKeySet(deps: {
  jwksUri: string;
  /** The only accepted algorithms, whatever the token's header says; asymmetric. */
  algorithms: readonly string[];
  fetch: CustomFetch;
  timeoutMs: number;
  clock: () => number;
}): KeySet {
  const { clock } = deps;
  const algorithms = [...deps.algorithms];
  // The code below decides when to fetch, not jose's own rules.
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
  let fetchedAtMs = -Infinity;
  let budgetUsedUntilMs = -Infinity;

  const fetchKeys = async () => {
    if (!published.reloading) {
      // SECURITY: anybody may send tokens with unknown keys; they must not trigger fetches without limit.
      const now = clock();
      const nextMs = Math.max(budgetUsedUntilMs, now) + FETCH_INTERVAL_MS;
      if (nextMs - now > FETCH_BURST * FETCH_INTERVAL_MS)
        throw new KeySetError("the provider's JWKS was fetched too often; try again later");
      budgetUsedUntilMs = nextMs;
    }
    await published.reload();
    fetchedAtMs = clock();
  };

  const attempt = async (token: string, checks: JWTVerifyOptions): Promise<Verified> => {
    const options = { ...checks, algorithms };
    try {
      return verifiedOf(await jwtVerify(token, published, options));
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // The token names no key, or several keys have its key ID: any of those that match may have signed it.
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
        if (clock() - fetchedAtMs >= MAX_AGE_MS) {
          await fetchKeys().catch((error: unknown) => {
            if (!published.fresh) throw error;
          });
        }
        try {
          return await attempt(token, checks);
        } catch (error) {
          if (!mayHaveNewKey(error)) throw error;
          await fetchKeys();
          return await attempt(token, checks);
        }
      } catch (cause) {
        const isAboutToken = cause instanceof errors.JOSEError && !keySetErrorCodes.has(cause.code);
        if (isAboutToken || cause instanceof KeySetError) throw cause;
        throw new KeySetError("cannot fetch the provider's JWKS", { cause });
      }
    },
  };
}

function verifiedOf(result: { protectedHeader: JWTHeaderParameters; payload: JWTPayload }): Verified {
  return { header: result.protectedHeader, claims: result.payload };
}

function mayHaveNewKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}
