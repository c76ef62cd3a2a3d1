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
import { createLeakyBuckets } from '../../concurrency/leaky-bucket.ts';
import { createAnnouncedSigning, namesAsymmetricAlgorithm } from './announced-signing.ts';
import type { Signing } from './server-metadata.ts';

/** A JWT whose signature is verified. */
export type Verified = { header: JWTHeaderParameters; claims: JWTPayload };

/** Verifies JWTs with the published keys of a provider. */
export type KeySet = {
  /**
   * Verifies the signature of a JWT, with one of the allowed algorithms, and `checks`.
   *
   * @throws JOSEError when the token is at fault, and {@link KeySetError} when the keys are.
   */
  verify(token: string, checks: Omit<JWTVerifyOptions, 'algorithms'>): Promise<Verified>;
};

/** Why a token could not be checked: the JWKS cannot be fetched, or unknown keys were looked up too often. */
type KeySetErrorReason = 'unavailable' | 'throttled';

/** The JWKS could not be fetched or used; this says nothing about the token. */
export class KeySetError extends Error {
  override readonly name = 'KeySetError';
  readonly reason: KeySetErrorReason;
  /** When the keys that the token did not match were fetched, in milliseconds since the epoch; `throttled` only. */
  readonly fetchedAtMs: number | undefined;

  constructor(reason: KeySetErrorReason, cause?: unknown, fetchedAtMs?: number) {
    super(messages[reason], cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.fetchedAtMs = fetchedAtMs;
  }
}

const messages: Readonly<Record<KeySetErrorReason, string>> = {
  unavailable: "cannot fetch the provider's JWKS",
  throttled: "the provider's JWKS was fetched too often; try again later",
};

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
 * key ID or have none. When the keys do not help, or the algorithm is unknown, the provider may have announced other ones:
 * its metadata are read again.
 */
export function createKeySet(deps: {
  signing: Signing;
  /** Reads the provider's metadata again. */
  readSigning: () => Promise<Signing>;
  fetch: CustomFetch;
  timeoutMs: number;
  clock: () => number;
}): KeySet {
  const { clock } = deps;
  const announced = createAnnouncedSigning(deps);
  // SECURITY: anybody may send tokens with unknown keys; they must not trigger fetches without limit.
  const fetches = createLeakyBuckets({
    sizeMs: FETCH_BURST * FETCH_INTERVAL_MS,
    costMs: FETCH_INTERVAL_MS,
    clock,
  });
  let keys: PublishedKeys | undefined;
  /** Why the last fetch failed, if it did. */
  let failure: { readonly cause: unknown } | undefined;

  const publishedKeys = (): PublishedKeys => {
    const { jwksUri } = announced.current();
    if (keys?.uri !== jwksUri)
      keys = { uri: jwksUri, fetchedAtMs: -Infinity, set: remoteKeys(jwksUri, deps) };
    return keys;
  };

  /** `reason` is why the keys of the last fetch do not suffice. */
  const fetchKeys = async (reason?: unknown) => {
    const current = publishedKeys();
    if (!current.set.reloading && fetches.tryTake('jwks') > 0)
      throw failure === undefined
        ? new KeySetError('throttled', reason, current.fetchedAtMs)
        : new KeySetError('unavailable', failure.cause);
    try {
      await current.set.reload();
      failure = undefined;
      current.fetchedAtMs = clock();
    } catch (cause) {
      failure = { cause };
      throw cause;
    }
  };

  const attempt = async (token: string, checks: JWTVerifyOptions): Promise<Verified> => {
    const { set, fetchedAtMs } = publishedKeys();
    if (clock() - fetchedAtMs >= MAX_AGE_MS) {
      await fetchKeys().catch((error: unknown) => {
        if (!set.fresh) throw error;
      });
    }
    // SECURITY: only announced algorithms, whatever the token's header says.
    return verifyWith(set, token, { ...checks, algorithms: [...announced.current().algorithms] });
  };

  const attemptWithNewKeys = async (token: string, checks: JWTVerifyOptions): Promise<Verified> => {
    try {
      return await attempt(token, checks);
    } catch (error) {
      if (!mayHaveNewKey(error)) throw error;
      await fetchKeys(error);
      return attempt(token, checks);
    }
  };

  return {
    async verify(token, checks) {
      const used = announced.current();
      try {
        return await attemptWithNewKeys(token, checks).catch(async (error: unknown) => {
          const mayBeNew = mayHaveNewKey(error) || mayHaveNewAlgorithm(error, token);
          if (!mayBeNew || !(await announced.differsFrom(used))) throw error;
          return attemptWithNewKeys(token, checks);
        });
      } catch (cause) {
        const isAboutToken = cause instanceof errors.JOSEError && !keySetErrorCodes.has(cause.code);
        if (isAboutToken || cause instanceof KeySetError) throw cause;
        throw new KeySetError('unavailable', cause);
      }
    },
  };
}

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

type PublishedKeys = { readonly uri: string; readonly set: RemoteKeys; fetchedAtMs: number };

function remoteKeys(
  uri: string,
  { fetch, timeoutMs }: { fetch: CustomFetch; timeoutMs: number },
): RemoteKeys {
  return createRemoteJWKSet(new URL(uri), {
    // The key set decides when to fetch, not jose's own rules.
    cooldownDuration: Infinity,
    cacheMaxAge: Infinity,
    timeoutDuration: timeoutMs,
    [customFetch]: (url, { headers, method, signal }) =>
      fetch(url, { headers: Object.fromEntries(headers), method, signal, redirect: 'manual', body: null }),
  });
}

async function verifyWith(set: RemoteKeys, token: string, options: JWTVerifyOptions): Promise<Verified> {
  try {
    return verifiedOf(await jwtVerify(token, set, options));
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // The token names no key, or several keys have its key ID. Each of those that match may have signed it.
    for await (const key of error) {
      try {
        return verifiedOf(await jwtVerify(token, key, options));
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) throw inner;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function verifiedOf(result: { protectedHeader: JWTHeaderParameters; payload: JWTPayload }): Verified {
  return { header: result.protectedHeader, claims: result.payload };
}

function mayHaveNewKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}

function mayHaveNewAlgorithm(error: unknown, token: string): boolean {
  return error instanceof errors.JOSEAlgNotAllowed && namesAsymmetricAlgorithm(token);
}
