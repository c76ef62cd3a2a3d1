import * as oauth from 'openid-client';
import { signingAlgorithms } from '../../config/values/secrets/private-key.ts';
import type { KeySet } from '../oidc/key-set.ts';
import { createKeySet } from '../oidc/key-set.ts';
import type { Signing } from '../oidc/server-metadata.ts';

/** The asymmetric algorithms that access tokens may be signed with (RFC 9068, section 2.1; RFC 8725, section 3.1). */
const ALGORITHMS = [...signingAlgorithms];

/** How long a failed discovery is not repeated, in milliseconds, whatever tokens arrive. */
const RETRY_PAUSE_MS = 5_000;

/** The published keys of one issuer of access tokens. Rejects when they cannot be fetched. */
export type IssuerKeys = () => Promise<KeySet>;

/**
 * Finds the keys of an issuer when a token needs them: by OpenID discovery, or by the metadata of an authorization server (RFC
 * 8414). The keys follow the rules of {@link createKeySet}.
 */
export function createIssuerKeys(deps: {
  issuer: string;
  fetch: oauth.CustomFetch;
  timeoutMs: number;
  clock: () => number;
}): IssuerKeys {
  const { issuer, fetch, timeoutMs, clock } = deps;

  const discover = (algorithm: 'oidc' | 'oauth2') =>
    oauth.discovery(new URL(issuer), 'coatcheck', undefined, oauth.None(), {
      [oauth.customFetch]: fetch,
      algorithm,
      timeout: timeoutMs / 1000,
      // The configuration allows http on loopback hosts and with `allowInsecureHttp` only.
      execute: issuer.startsWith('http:') ? [oauth.allowInsecureRequests] : [],
    });
  const readSigning = async (): Promise<Signing> => {
    const client = await discover('oidc').catch(() => discover('oauth2'));
    const { issuer: found, jwks_uri: jwksUri } = client.serverMetadata();
    // SECURITY: compared as strings; openid-client 6 compares parsed URLs.
    if (found !== issuer) throw new Error(`the issuer is "${issuer}", but publishes "${found}"`);
    if (jwksUri === undefined || !isProtectedAs(issuer, jwksUri))
      throw new Error(`${issuer} publishes no usable "jwks_uri"`);
    return { jwksUri, algorithms: ALGORITHMS };
  };

  let found: Promise<KeySet> | undefined;
  let failedAtMs = -Infinity;
  let failure: unknown;
  const find = async (): Promise<KeySet> => {
    try {
      return createKeySet({ signing: await readSigning(), readSigning, fetch, timeoutMs, clock });
    } catch (error) {
      failedAtMs = clock();
      failure = error;
      found = undefined;
      throw error;
    }
  };
  return async () => {
    // SECURITY: anybody may send tokens that name this issuer; they must not cause requests without limit.
    if (found === undefined && clock() - failedAtMs < RETRY_PAUSE_MS) throw failure;
    found ??= find();
    return found;
  };
}

/** SECURITY: keys over plain http only from an issuer that is configured with http. */
function isProtectedAs(issuer: string, url: string): boolean {
  return url.startsWith('https://') || (issuer.startsWith('http://') && url.startsWith('http://'));
}
