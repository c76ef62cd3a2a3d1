import * as oauth from 'openid-client';
import { forAudience } from '../audience-parameters.ts';
import { createClientAuthentication } from '../client/authentication.ts';
import { createDecoupledLogin } from '../decoupled/login.ts';
import { readDecoupledResponse } from '../decoupled/response.ts';
import { createDiscovery } from '../discovery.ts';
import { createTokenGrants } from '../grants/create-token-grants.ts';
import { acceptAnySuccess } from '../http/any-success.ts';
import { createProviderClient } from '../http/http-client.ts';
import { probe } from '../http/probe.ts';
import type { ProviderDeps } from '../kind.ts';
import type { Provider, RefreshOutcome, RevocationOutcome } from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { withRouteScopes } from '../step-up-parameters.ts';
import { createRedirectLogin } from '../redirect-login.ts';
import { classifyRefreshFailure, classifyRevocationFailure } from '../refusal.ts';
import { detachIdToken, detachTokens, readRefreshResponse } from '../token-response.ts';
import { diagnoseOAuth2 } from './diagnose.ts';
import { createIdentities } from './identity.ts';
import { sendFormsAsJson } from './request-format.ts';
import type { OAuth2ProviderConfig } from './schema.ts';

/** The token endpoint of redirect sign-ins, or without them that of decoupled ones. */
export function mainEndpointOf({ tokenEndpoint, decoupledTokenEndpoint }: OAuth2ProviderConfig): string {
  // The rules of the configuration require one of them.
  return tokenEndpoint ?? decoupledTokenEndpoint ?? '';
}

/**
 * A plain OAuth 2.0 server, without discovery or ID tokens, with openid-client 6: authorization code with PKCE S256 and
 * state, or a decoupled sign-in at endpoints of its own.
 */
export function createOAuth2Provider(deps: ProviderDeps<OAuth2ProviderConfig>): Provider {
  const { config, redirectUri, refreshTimeoutMs, clock, log, metrics } = deps;
  const { authorizationEndpoint, decoupledEndpoint, decoupledTokenEndpoint, timeout: timeoutMs } = config;
  const mainEndpoint = mainEndpointOf(config);
  const issuer = new URL(mainEndpoint).origin;
  const health = createProviderHealth({ log, metrics });
  const http = createProviderClient({ config, health, tracing: deps.tracing });
  const discovery = createDiscovery({
    discover: () => probe(http.fetchWith({}), mainEndpoint, timeoutMs),
    onFound: () => health.established(),
    issuer,
    log,
  });
  const authenticate = createClientAuthentication(config, deps.signingKeys);
  const { readSignIn } = createIdentities({ config, issuer, fetch: http.fetchWith({}), timeoutMs });

  /** A client of the server. Its token endpoint depends on how the user signed in. */
  const createClient = (
    endpoint: string,
    fetch: oauth.CustomFetch,
    callTimeoutMs = timeoutMs,
  ): oauth.Configuration => {
    const server: oauth.ServerMetadata = {
      issuer,
      token_endpoint: endpoint,
      ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
      ...(decoupledEndpoint !== undefined && { backchannel_authentication_endpoint: decoupledEndpoint }),
      ...(config.revocationEndpoint !== undefined && { revocation_endpoint: config.revocationEndpoint }),
    };
    const client = new oauth.Configuration(server, config.clientId, undefined, authenticate);
    client.timeout = callTimeoutMs / 1000;
    client[oauth.customFetch] = config.requestFormat === 'json' ? sendFormsAsJson(fetch) : fetch;
    // The configuration allows http on loopback hosts and with `allowInsecureHttp` only.
    oauth.allowInsecureRequests(client);
    return client;
  };
  // There are no keys to verify an ID token with, so it is detached and ignored.
  const mainClient = createClient(mainEndpoint, http.fetchWith({ transformText: detachIdToken }));
  const scopes = withRouteScopes(config.scopes, deps.routeScopes);
  const parameters = {
    ...config.authorizationParams,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
  };

  return {
    issuer,
    redirectLogin:
      authorizationEndpoint === undefined
        ? undefined
        : createRedirectLogin({
            issuer,
            redirectUri,
            client: async () => mainClient,
            parameters,
            resources: deps.routeScopes?.resources ?? [],
            protocol: 'oauth2',
            readSignIn: (json, { sentAtMs }) => readSignIn(json, sentAtMs),
            clock,
          }),

    decoupledLogin:
      config.login !== 'decoupled' || decoupledTokenEndpoint === undefined
        ? undefined
        : createDecoupledLogin({
            client: async () =>
              createClient(
                decoupledTokenEndpoint,
                acceptAnySuccess(
                  http.fetchWith({ transformText: readDecoupledResponse, maySend: () => true }),
                ),
              ),
            endpoint: 'decoupled endpoint',
            parameters,
            grant: { type: 'authorization_code', parameter: 'code' },
            pollErrors: config.pollErrors,
            readSignIn: async (json, sentAtMs) => ({
              ...(await readSignIn(json, sentAtMs)),
              flow: 'decoupled',
            }),
            timeoutMs,
            bindingMessage: config.bindingMessage,
            clock,
          }),

    grants: createTokenGrants({ client: async () => mainClient, clock }),

    async refresh({ refreshToken, audience, flow, maySend }): Promise<RefreshOutcome> {
      const endpoint = flow === 'decoupled' ? (decoupledTokenEndpoint ?? mainEndpoint) : mainEndpoint;
      const fetch = acceptAnySuccess(http.fetchWith({ transformText: detachTokens, maySend }));
      const client = createClient(endpoint, fetch, refreshTimeoutMs);
      const sentAtMs = clock();
      try {
        const json = await oauth.refreshTokenGrant(client, refreshToken, forAudience(audience));
        return { kind: 'refreshed', tokenResponse: readRefreshResponse(json), claims: undefined, sentAtMs };
      } catch (cause) {
        return classifyRefreshFailure(cause, config.rejectionErrors);
      }
    },

    async revoke(refreshToken): Promise<RevocationOutcome> {
      if (config.revocationEndpoint === undefined) return { kind: 'revoked' };
      try {
        await oauth.tokenRevocation(mainClient, refreshToken, { token_type_hint: 'refresh_token' });
        return { kind: 'revoked' };
      } catch (cause) {
        return classifyRevocationFailure(cause);
      }
    },

    endSessionUrl: () => undefined,
    state: health.state,
    notReadyReason: discovery.failure,

    async diagnose() {
      await discovery.get();
      return diagnoseOAuth2(config, issuer, redirectUri);
    },

    start: discovery.start,
    retire() {
      discovery.close();
      health.close();
    },
    close() {
      discovery.close();
      http.close();
      health.close();
    },
  };
}
