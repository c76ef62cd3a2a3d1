import * as client from 'openid-client';
import type { OidcProviderConfig } from '../../config/schema/schema.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { forAudience } from '../audience-parameters.ts';
import { createClientAuthentication } from '../client-authentication.ts';
import { CIBA_GRANT, createDecoupledLogin } from '../decoupled.ts';
import { createDiscovery } from './discovery.ts';
import { createProviderClient, type ProviderClient } from '../http-client.ts';
import { createIdTokens, type IdTokens } from './id-token.ts';
import { createKeySet } from './key-set.ts';
import { createLogoutTokens, type LogoutTokens } from './logout-token.ts';
import { loginRefused, providerAway } from '../login-failure.ts';
import { fillLogoutUrl } from '../logout-url.ts';
import { diagnoseOidc } from './diagnose.ts';
import {
  UnusedTokensError,
  type Provider,
  type RefreshOutcome,
  type RevocationOutcome,
  type SignIn,
} from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { createRedirectLogin } from '../redirect-login.ts';
import { classifyRefreshFailure, classifyRevocationFailure, lacksConsent } from '../refusal.ts';
import { checkServerMetadata, explainDiscovery } from '../server-metadata.ts';
import { detachIdToken, readTokenResponse, reattachIdToken } from '../token-response.ts';

/**
 * What discovery yields: a client for logins, one for each refresh, and a check of ID tokens. Both clients put the ID token
 * of an answer aside: it is judged when the tokens beside it are in hand, so that they can be given back.
 */
type Relation = {
  login: client.Configuration;
  refresh(maySend: () => boolean): client.Configuration;
  idTokens: IdTokens;
  logoutTokens: LogoutTokens;
};

type OidcDeps = {
  config: OidcProviderConfig;
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  timeoutMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/** Any OpenID provider with discovery, by openid-client 6: authorization code with PKCE S256, state and nonce. */
export function createOidcProvider(deps: OidcDeps): Provider {
  const { config, log, metrics } = deps;
  const reachability = createProviderHealth(metrics);
  const http = createProviderClient({ onExchange: reachability.note });
  const clientAuthentication = createClientAuthentication(config);
  const discovery = createDiscovery<Relation>({
    look: () => discover(deps, http, clientAuthentication.authenticate),
    onFound: () => reachability.established(),
    issuer: config.issuer,
    log,
  });

  const relation = async () => (await discovery.get()).login;
  const parameters = { ...config.authorizationParams, scope: config.scopes.join(' ') };

  return {
    issuer: config.issuer,
    redirectLogin: createRedirectLogin({
      issuer: config.issuer,
      redirectUri: deps.redirectUri,
      relation,
      parameters,
      openId: true,
      signInOf: async (json, sent) => signInOf((await discovery.get()).idTokens, { json, ...sent }),
      clock: deps.clock,
    }),

    decoupledLogin:
      config.login === 'decoupled'
        ? createDecoupledLogin({
            relation,
            parameters,
            grant: CIBA_GRANT,
            signInOf: async (json, sentAtMs) =>
              signInOf((await discovery.get()).idTokens, { json, nonce: undefined, sentAtMs }),
            clock: deps.clock,
          })
        : undefined,

    logoutTokens: async (logoutToken) => (await discovery.get()).logoutTokens(logoutToken),

    async refresh({ refreshToken, subject, audience, maySend }): Promise<RefreshOutcome> {
      const found = await discovery.get().catch((cause: unknown) => ({ cause }));
      if ('cause' in found) return { kind: 'transient', retryAfterSeconds: undefined, cause: found.cause };
      const sentAtMs = deps.clock();
      try {
        const config = found.refresh(maySend);
        const json = await client.refreshTokenGrant(config, refreshToken, forAudience(audience));
        const answer = readTokenResponse(reattachIdToken(json));
        if (answer.idToken === undefined) return { kind: 'refreshed', answer, claims: undefined, sentAtMs };
        const verdict = await found.idTokens.ofRefresh(answer.idToken, { subject });
        switch (verdict.kind) {
          case 'valid':
            return { kind: 'refreshed', answer, claims: verdict.claims, sentAtMs };
          case 'invalid':
            return { kind: 'identity_changed', refreshToken: answer.refreshToken, cause: verdict.cause };
          case 'unverifiable':
            // The tokens came over the authenticated connection to the token endpoint; only the claims are not taken.
            log.warn(
              { err: verdict.cause },
              'cannot fetch the JWKS of the provider; ignoring the claims of the refreshed ID token',
            );
            return {
              kind: 'refreshed',
              answer: { ...answer, idToken: undefined },
              claims: undefined,
              sentAtMs,
            };
        }
      } catch (cause) {
        // Of the token of the sign-in it would say that the session is over.
        if (audience.id !== '' && lacksConsent(cause))
          return { kind: 'misconfigured', error: 'consent_required', cause };
        return classifyRefreshFailure(cause, config.rejectionErrors);
      }
    },

    async revoke(refreshToken): Promise<RevocationOutcome> {
      try {
        const login = await relation();
        if (login.serverMetadata().revocation_endpoint !== undefined)
          await client.tokenRevocation(login, refreshToken, { token_type_hint: 'refresh_token' });
        return { kind: 'revoked' };
      } catch (cause) {
        return classifyRevocationFailure(cause);
      }
    },

    endSessionUrl({ postLogoutRedirectUri, idTokenHint }) {
      const { clientId, logoutUrl } = config;
      // Before what the provider publishes: Amazon Cognito announces an end_session_endpoint that takes other parameters.
      if (logoutUrl !== undefined)
        return fillLogoutUrl(logoutUrl, { clientId, returnTo: postLogoutRedirectUri });
      const login = discovery.current()?.login;
      if (login?.serverMetadata().end_session_endpoint === undefined) return undefined;
      return client.buildEndSessionUrl(login, {
        post_logout_redirect_uri: postLogoutRedirectUri,
        ...(idTokenHint === undefined ? {} : { id_token_hint: idTokenHint }),
      });
    },

    replaceCredentials: clientAuthentication.replace,

    state: reachability.state,
    notReadyReason: discovery.failure,

    async diagnose() {
      return diagnoseOidc((await relation()).serverMetadata(), config, deps.redirectUri);
    },

    start: () => discovery.start(),
    close() {
      discovery.close();
      http.close();
    },
  };
}

/** Reads who has signed in out of a token answer, by its ID token. Throws {@link UnusedTokensError}. */
async function signInOf(
  idTokens: IdTokens,
  given: { json: Readonly<Record<string, unknown>>; nonce: string | undefined; sentAtMs: number },
): Promise<SignIn> {
  const answer = readTokenResponse(reattachIdToken(given.json));
  const { idToken, accessToken, refreshToken } = answer;
  const refuse = (reason: string, cause?: unknown) =>
    new UnusedTokensError(loginRefused(reason, cause), refreshToken);
  if (idToken === undefined) throw refuse('the token response has no "id_token"');

  const verdict = await idTokens.ofLogin(idToken, { nonce: given.nonce, accessToken });
  switch (verdict.kind) {
    case 'valid': {
      const { sub: subject, sid } = verdict.claims;
      return {
        issuer: idTokens.issuer,
        subject,
        providerSessionId: typeof sid === 'string' ? sid : undefined,
        claims: verdict.claims,
        answer,
        sentAtMs: given.sentAtMs,
      };
    }
    case 'invalid':
      throw refuse(`the ID token is invalid: ${verdict.cause.message}`, verdict.cause);
    case 'unverifiable':
      throw new UnusedTokensError(providerAway(verdict.cause), refreshToken);
  }
}

async function discover(
  deps: OidcDeps,
  http: ProviderClient,
  authenticate: client.ClientAuth,
): Promise<Relation> {
  const { config } = deps;
  const issuer = new URL(config.issuer);
  // http is for the loopback, and for who allowed it by `allowInsecureHttp`: the configuration has been checked for that.
  const insecure = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [];
  const timeout = deps.timeoutMs / 1000;

  const login = await client
    .discovery(issuer, config.clientId, undefined, authenticate, {
      [client.customFetch]: http.fetchWith({ shape: detachIdToken }),
      timeout,
      execute: insecure,
    })
    .catch((error: unknown) => {
      throw explainDiscovery(error, config.issuer);
    });
  const server = login.serverMetadata();
  const keys = {
    ...checkServerMetadata(server, config.issuer),
    fetch: http.fetchWith({}),
    timeoutMs: deps.timeoutMs,
    clock: deps.clock,
  };
  const { max_age: maxAge, acr_values: acrValues } = config.authorizationParams;
  return {
    login,
    refresh(maySend) {
      const refresh = new client.Configuration(server, config.clientId, undefined, authenticate);
      refresh.timeout = timeout;
      refresh[client.customFetch] = http.fetchWith({ shape: detachIdToken, maySend });
      for (const allow of insecure) allow(refresh);
      return refresh;
    },
    idTokens: createIdTokens({
      keySet: createKeySet(keys),
      issuer: config.issuer,
      clientId: config.clientId,
      maxAge: maxAge === undefined ? undefined : Number(maxAge),
      acrValues: acrValues?.split(' ') ?? [],
      clock: deps.clock,
    }),
    logoutTokens: createLogoutTokens({
      // SECURITY: a set of its own: anybody may post a token, and cannot use up the reads that a login needs.
      keySet: createKeySet(keys),
      issuer: config.issuer,
      clientId: config.clientId,
      checks: config.logoutTokens,
      clock: deps.clock,
    }),
  };
}
