import * as oauth from 'openid-client';
import type { ProviderClient } from '../http/http-client.ts';
import type { ProviderDeps } from '../kind.ts';
import { detachIdToken, detachTokens } from '../token-response.ts';
import { createIdTokens, type IdTokens } from './id-token.ts';
import { createKeySet } from './key-set.ts';
import { createLogoutTokens, type LogoutTokens } from './logout-token.ts';
import type { OidcProviderConfig } from './schema.ts';
import { checkServerMetadata, explainDiscovery } from './server-metadata.ts';

/**
 * A provider that discovery has found. Its clients detach the ID token of each token response, and all tokens of a refresh:
 * the gateway verifies them once it has them, so that it can keep or revoke the refresh token.
 */
export type DiscoveredProvider = {
  /** For every call but refreshes. */
  client: oauth.Configuration;
  createRefreshClient(maySend: () => boolean): oauth.Configuration;
  idTokens: IdTokens;
  logoutTokens: LogoutTokens;
};

/** Finds the provider by its metadata. Throws an Error that says what is wrong. */
export async function discover(
  deps: Pick<ProviderDeps<OidcProviderConfig>, 'config' | 'refreshTimeoutMs' | 'clock'>,
  http: ProviderClient,
  authenticate: oauth.ClientAuth,
): Promise<DiscoveredProvider> {
  const { config } = deps;
  const issuer = new URL(config.issuer);
  // The configuration allows http on loopback hosts and with `allowInsecureHttp` only.
  const insecure = issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [];

  const readMetadata = () =>
    oauth
      .discovery(issuer, config.clientId, undefined, authenticate, {
        [oauth.customFetch]: http.fetchWith({ transformText: detachIdToken }),
        timeout: config.timeout / 1000,
        execute: insecure,
      })
      .catch((error: unknown) => {
        throw explainDiscovery(error, config.issuer);
      });
  const client = await readMetadata();
  const server = client.serverMetadata();
  const keys = {
    signing: checkServerMetadata(server, config),
    readSigning: async () => checkServerMetadata((await readMetadata()).serverMetadata(), config),
    fetch: http.fetchWith({}),
    timeoutMs: config.timeout,
    clock: deps.clock,
  };
  const { max_age: maxAge, acr_values: acrValues } = config.authorizationParams;
  return {
    client,
    createRefreshClient(maySend) {
      const refreshClient = new oauth.Configuration(server, config.clientId, undefined, authenticate);
      refreshClient.timeout = deps.refreshTimeoutMs / 1000;
      refreshClient[oauth.customFetch] = http.fetchWith({ transformText: detachTokens, maySend });
      for (const allow of insecure) allow(refreshClient);
      return refreshClient;
    },
    idTokens: createIdTokens({
      keySet: createKeySet(keys),
      issuer: config.issuer,
      clientId: config.clientId,
      audiences: config.audiences,
      maxAge: maxAge === undefined ? undefined : Number(maxAge),
      acrValues: acrValues?.split(' ') ?? [],
      clock: deps.clock,
    }),
    logoutTokens: createLogoutTokens({
      // SECURITY: a key set of its own: anybody may post a token, and must not use up the JWKS fetches that logins need.
      keySet: createKeySet(keys),
      issuer: config.issuer,
      clientId: config.clientId,
      audiences: config.audiences,
      checks: config.logoutTokens,
      clock: deps.clock,
    }),
  };
}
