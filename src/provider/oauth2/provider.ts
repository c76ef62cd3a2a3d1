import * as client from 'openid-client';
import type { OAuth2ProviderConfig } from '../../config/schema/schema.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { forAudience } from '../audience-parameters.ts';
import { createClientAuthentication } from '../client-authentication.ts';
import { diagnoseOAuth2 } from '../configured-findings.ts';
import { createDecoupledLogin } from '../decoupled.ts';
import { readDecoupledResponse, takingAnySuccess } from '../decoupled-response.ts';
import { createDiscovery } from '../oidc/discovery.ts';
import { createProviderClient } from '../http-client.ts';
import { createIdentities } from './identity.ts';
import { probe } from '../probe.ts';
import type { Provider, RefreshOutcome, RevocationOutcome } from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { classifyRefreshFailure, classifyRevocationFailure } from '../refusal.ts';
import { createRedirectLogin } from '../redirect-login.ts';
import { sendingJson } from '../request-format.ts';
import { detachIdToken, readTokenResponse } from '../token-response.ts';

type OAuth2Deps = {
  config: OAuth2ProviderConfig;
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  timeoutMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/**
 * A plain OAuth 2.0 server, without discovery or ID tokens, by openid-client 6: authorization code with PKCE S256 and
 * state, or a sign-in on another device at endpoints of its own.
 */
export function createOAuth2Provider(deps: OAuth2Deps): Provider {
  const { config, redirectUri, timeoutMs, clock, log, metrics } = deps;
  const { authorizationEndpoint, tokenEndpoint, decoupledEndpoint, decoupledTokenEndpoint } = config;
  // One of the two pairs is there: the configuration has been checked for that.
  const mainEndpoint = tokenEndpoint ?? decoupledTokenEndpoint ?? '';
  const issuer = new URL(mainEndpoint).origin;
  const reachability = createProviderHealth(metrics);
  const http = createProviderClient({ onExchange: reachability.note });
  const discovery = createDiscovery({
    look: () => probe(http.fetchWith({}), mainEndpoint, timeoutMs),
    onFound: () => reachability.established(),
    issuer,
    log,
  });
  const { authenticate, replace } = createClientAuthentication(config);
  const { signInOf } = createIdentities({ config, issuer, fetch: http.fetchWith({}), timeoutMs });

  /** A client of the server, whose token endpoint depends on how the person signed in. */
  const relationTo = (endpoint: string, fetch: client.CustomFetch): client.Configuration => {
    const server: client.ServerMetadata = {
      issuer,
      token_endpoint: endpoint,
      ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
      ...(decoupledEndpoint !== undefined && { backchannel_authentication_endpoint: decoupledEndpoint }),
      ...(config.revocationEndpoint !== undefined && { revocation_endpoint: config.revocationEndpoint }),
    };
    const relation = new client.Configuration(server, config.clientId, undefined, authenticate);
    relation.timeout = timeoutMs / 1000;
    relation[client.customFetch] = config.requestFormat === 'json' ? sendingJson(fetch) : fetch;
    // http is for the loopback, and for who allowed it by `allowInsecureHttp`: the configuration has been checked for that.
    client.allowInsecureRequests(relation);
    return relation;
  };
  // An ID token here has no keys to be judged by: it is put aside and stays there.
  const main = relationTo(mainEndpoint, http.fetchWith({ shape: detachIdToken }));
  const parameters = {
    ...config.authorizationParams,
    ...(config.scopes.length > 0 && { scope: config.scopes.join(' ') }),
  };

  return {
    issuer,
    redirectLogin:
      authorizationEndpoint === undefined
        ? undefined
        : createRedirectLogin({
            issuer,
            redirectUri,
            relation: async () => main,
            parameters,
            openId: false,
            signInOf: (json, { sentAtMs }) => signInOf(json, sentAtMs),
            clock,
          }),

    decoupledLogin:
      config.login !== 'decoupled' || decoupledTokenEndpoint === undefined
        ? undefined
        : createDecoupledLogin({
            relation: async () =>
              relationTo(
                decoupledTokenEndpoint,
                takingAnySuccess(http.fetchWith({ shape: readDecoupledResponse })),
              ),
            parameters,
            grant: { type: 'authorization_code', parameter: 'code' },
            signInOf: async (json, sentAtMs) => ({ ...(await signInOf(json, sentAtMs)), flow: 'decoupled' }),
            clock,
          }),

    async refresh({ refreshToken, audience, flow, maySend }): Promise<RefreshOutcome> {
      const endpoint = flow === 'decoupled' ? (decoupledTokenEndpoint ?? mainEndpoint) : mainEndpoint;
      const relation = relationTo(endpoint, http.fetchWith({ shape: detachIdToken, maySend }));
      const sentAtMs = clock();
      try {
        const json = await client.refreshTokenGrant(relation, refreshToken, forAudience(audience));
        return { kind: 'refreshed', answer: readTokenResponse(json), claims: undefined, sentAtMs };
      } catch (cause) {
        return classifyRefreshFailure(cause, config.rejectionErrors);
      }
    },

    async revoke(refreshToken): Promise<RevocationOutcome> {
      if (config.revocationEndpoint === undefined) return { kind: 'revoked' };
      try {
        await client.tokenRevocation(main, refreshToken, { token_type_hint: 'refresh_token' });
        return { kind: 'revoked' };
      } catch (cause) {
        return classifyRevocationFailure(cause);
      }
    },

    endSessionUrl: () => undefined,
    state: reachability.state,
    notReadyReason: discovery.failure,

    replaceCredentials: replace,

    async diagnose() {
      await discovery.get();
      return diagnoseOAuth2(config, issuer, redirectUri);
    },

    start: () => discovery.start(),
    close() {
      discovery.close();
      http.close();
    },
  };
}
