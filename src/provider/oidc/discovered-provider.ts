import * as oauth from 'openid-client';
import { createJwtResponses, type JwtResponses } from '../authorization/jwt-response.ts';
import { withOneDeadline, type DpopHandles } from '../dpop/handles.ts';
import type { TokenResponse } from '../../tokens/token-set.ts';
import { decryptIdToken } from '../client/id-token-decryption.ts';
import { acceptAnySuccess } from '../http/any-success.ts';
import type { ProviderClient } from '../http/http-client.ts';
import type { ProviderDeps } from '../kind.ts';
import { detachIdToken, detachTokens } from '../token-response.ts';
import { createIdTokens, type IdTokens } from './id-token.ts';
import { createKeySet } from './key-set.ts';
import { createLogoutTokens, type LogoutTokens } from './logout-token.ts';
import { readServerMetadata } from './metadata-source.ts';
import type { OidcProviderConfig } from './schema.ts';
import { checkServerMetadata, responseSigning } from './server-metadata.ts';
import { createUserinfo, type Userinfo } from './userinfo.ts';

/**
 * A provider that discovery has found. Its clients detach the ID token of each token response, and all tokens of a refresh:
 * the gateway verifies them once it has them, so that it can keep or revoke the refresh token.
 */
export type DiscoveredProvider = {
  /** For every call but refreshes. */
  client: oauth.Configuration;
  createRefreshClient(maySend: () => boolean): oauth.Configuration;
  idTokens: IdTokens;
  userinfo: Userinfo;
  /** Replaces an encrypted ID token by the one inside it. Throws a JOSEError. */
  decrypt(response: TokenResponse): Promise<TokenResponse>;
  logoutTokens: LogoutTokens;
  /** Authorization responses; undefined when they are parameters. */
  jwtResponses: JwtResponses | undefined;
};

/** Finds the provider by its metadata. Throws an Error that says what is wrong. */
export async function discover(
  deps: Pick<
    ProviderDeps<OidcProviderConfig>,
    'config' | 'sessionClaims' | 'refreshTimeoutMs' | 'signingKeys' | 'clock' | 'log'
  >,
  http: ProviderClient,
  authenticate: oauth.ClientAuth,
  dpop: DpopHandles,
): Promise<DiscoveredProvider> {
  const { config } = deps;
  const fetch = http.fetchWith({});
  const readMetadata = () => readServerMetadata(config, fetch);
  const server = await readMetadata();
  // The configuration allows http on loopback hosts and with `allowInsecureHttp` only.
  const mayUseHttp = [config.issuer, config.discoveryUrl, ...Object.values(config.endpoints)].some(
    (url) => url?.startsWith('http:') === true,
  );
  const createClient = (
    timeoutMs: number,
    fetchOfClient: oauth.CustomFetch,
    metadata: oauth.ServerMetadata = server,
  ) => {
    const client = new oauth.Configuration(metadata, config.clientId, undefined, authenticate);
    client.timeout = timeoutMs / 1000;
    client[oauth.customFetch] = dpop.learning(fetchOfClient);
    // SECURITY: `checkServerMetadata` decides which endpoints may then be http.
    if (mayUseHttp) oauth.allowInsecureRequests(client);
    return client;
  };
  // What a refresh uses of the metadata: openid-client 6 copies those of each client.
  const { issuer, token_endpoint: tokenEndpoint, mtls_endpoint_aliases: aliases } = server;
  const refreshMetadata = {
    issuer,
    ...(tokenEndpoint !== undefined && { token_endpoint: tokenEndpoint }),
    ...(aliases !== undefined && { mtls_endpoint_aliases: aliases }),
  };
  const keys = {
    signing: checkServerMetadata(server, config),
    readSigning: async () => checkServerMetadata(await readMetadata(), config),
    fetch,
    timeoutMs: config.timeout,
    clock: deps.clock,
  };
  const keySet = createKeySet(keys);
  const { max_age: maxAge, acr_values: acrValues } = config.authorizationParams;
  return {
    client: createClient(
      config.timeout,
      http.fetchWith({ transformText: detachIdToken, maySend: () => true }),
    ),
    createRefreshClient: (maySend) =>
      createClient(
        deps.refreshTimeoutMs,
        withOneDeadline(acceptAnySuccess(http.fetchWith({ transformText: detachTokens, maySend }))),
        refreshMetadata,
      ),
    userinfo: createUserinfo({
      config,
      endpoint: server.userinfo_endpoint,
      sessionClaims: deps.sessionClaims,
      keySet,
      fetch,
      fetchBound: (url, accessToken, dpopKey) => {
        const client = createClient(config.timeout, fetch);
        const headers = new Headers({ accept: 'application/json' });
        return oauth.fetchProtectedResource(
          client,
          accessToken,
          url,
          'GET',
          null,
          headers,
          dpop.of(client, dpopKey),
        );
      },
      log: deps.log,
    }),
    decrypt: (response) => decryptIdToken(response, deps.signingKeys),
    idTokens: createIdTokens({
      keySet,
      issuer: config.issuer,
      clientId: config.clientId,
      audiences: config.audiences,
      maxAge: maxAge === undefined ? undefined : Number(maxAge),
      acrValues: acrValues?.split(' ') ?? [],
      clock: deps.clock,
    }),
    jwtResponses:
      config.responseMode === 'query'
        ? undefined
        : createJwtResponses({
            keySet: createKeySet({
              ...keys,
              signing: responseSigning(server, config),
              readSigning: async () => responseSigning(await readMetadata(), config),
            }),
            issuer: config.issuer,
            clientId: config.clientId,
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
