import * as client from 'openid-client';
import type { OidcProviderConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { createDiscovery } from './discovery.ts';
import { createProviderClient, type ProviderClient } from './http-client.ts';
import { createIdTokenVerifier, type IdTokenVerifier } from './id-token.ts';
import type { Provider, ProviderState, RefreshOutcome } from './provider.ts';
import { classifyRefreshFailure, explainLoginFailure } from './refusal.ts';
import { detachIdToken, normalizeTokenResponse, readTokenAnswer, reattachIdToken } from './token-response.ts';

/** What discovery yields: a client for logins, one for each refresh, and a check for the ID tokens of the latter. */
type Relation = {
  login: client.Configuration;
  refresh(maySend: () => boolean): client.Configuration;
  verifyRefreshed: IdTokenVerifier;
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

/** How far the provider's clock may be from ours when an ID token of a login is dated, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 30;

/** Any OpenID provider with discovery, by openid-client 6: authorization code with PKCE S256, state and nonce. */
export function createOidcProvider(deps: OidcDeps): Provider {
  const { config, log, metrics } = deps;
  let state: ProviderState = 'never';
  const http = createProviderClient({
    onExchange(answered) {
      if (!answered && state === 'never') return;
      state = answered ? 'up' : 'down';
      metrics.providerUp(answered ? 1 : 0);
    },
  });
  const discovery = createDiscovery<Relation>({
    look: () => discover(deps, http),
    issuer: config.issuer,
    log,
  });

  return {
    async beginLogin(hints) {
      const { login } = await discovery.get();
      const attempt = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        codeVerifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(login, {
        ...config.authorizationParams,
        redirect_uri: deps.redirectUri,
        scope: config.scopes.join(' '),
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(attempt.codeVerifier),
        code_challenge_method: 'S256',
        ...(hints.prompt === undefined ? {} : { prompt: hints.prompt }),
        ...(hints.loginHint === undefined ? {} : { login_hint: hints.loginHint }),
      });
      return { url, attempt };
    },

    async finishLogin(callback, attempt) {
      const { login } = await discovery.get();
      const sentAtMs = deps.clock();
      try {
        const answer = await client.authorizationCodeGrant(login, callback, {
          expectedState: attempt.state,
          expectedNonce: attempt.nonce,
          pkceCodeVerifier: attempt.codeVerifier,
          idTokenExpected: true,
        });
        const claims = answer.claims();
        if (claims === undefined)
          throw new Error('openid-client gave no claims of an ID token it had required');
        // SECURITY: openid-client 6 lets these pass (OpenID Connect Core, section 3.1.3.7, items 3 and 5).
        if ([claims.aud].flat().length > 1 || (claims.azp ?? config.clientId) !== config.clientId)
          throw new client.ClientError(
            'the ID token is meant for others besides this client, by "aud" or "azp"',
          );
        // A person's identifier has 1 to 255 characters (OpenID Connect Core, section 2).
        if (claims.sub === '' || claims.sub.length > 255)
          throw new client.ClientError('the ID token has no usable "sub"');
        return {
          issuer: claims.iss,
          subject: claims.sub,
          providerSessionId: typeof claims['sid'] === 'string' ? claims['sid'] : undefined,
          claims,
          answer: readTokenAnswer(answer),
          sentAtMs,
        };
      } catch (cause) {
        const reason = explainLoginFailure(cause);
        if (reason !== undefined) {
          throw new GatewayError('login_failed', { detail: 'The sign-in was refused.', reason, cause });
        }
        throw new GatewayError('provider_unavailable', {
          detail: 'The identity provider did not answer. Sign in again.',
          retryAfterSeconds: 5,
          cause,
        });
      }
    },

    async refresh({ refreshToken, subject, audience, maySend }): Promise<RefreshOutcome> {
      const relation = await discovery.get().catch((cause: unknown) => ({ cause }));
      if ('cause' in relation)
        return { kind: 'transient', retryAfterSeconds: undefined, cause: relation.cause };
      const sentAtMs = deps.clock();
      try {
        const parameters = new URLSearchParams(audience.resources.map((resource) => ['resource', resource]));
        if (audience.scopes.length > 0) parameters.set('scope', audience.scopes.join(' '));
        const json = await client.refreshTokenGrant(relation.refresh(maySend), refreshToken, parameters);
        const answer = readTokenAnswer(reattachIdToken(json));
        if (answer.idToken === undefined) return { kind: 'refreshed', answer, claims: undefined, sentAtMs };
        const verdict = await relation.verifyRefreshed(answer.idToken, subject);
        switch (verdict.kind) {
          case 'valid':
            return { kind: 'refreshed', answer, claims: verdict.claims, sentAtMs };
          case 'invalid':
            return { kind: 'identity_changed', refreshToken: answer.refreshToken, cause: verdict.cause };
          case 'unverifiable':
            // The tokens came over the authenticated connection to the token endpoint; only the claims are not taken.
            log.warn(
              { err: verdict.cause },
              'keys not reachable: the claims of a refreshed ID token are left out',
            );
            return {
              kind: 'refreshed',
              answer: { ...answer, idToken: undefined },
              claims: undefined,
              sentAtMs,
            };
        }
      } catch (cause) {
        return classifyRefreshFailure(cause);
      }
    },

    async revoke(refreshToken) {
      const { login } = await discovery.get();
      if (login.serverMetadata().revocation_endpoint === undefined) return;
      await client.tokenRevocation(login, refreshToken, { token_type_hint: 'refresh_token' });
    },

    endSessionUrl({ postLogoutRedirectUri, idTokenHint }) {
      const login = discovery.current()?.login;
      if (login?.serverMetadata().end_session_endpoint === undefined) return undefined;
      return client.buildEndSessionUrl(login, {
        post_logout_redirect_uri: postLogoutRedirectUri,
        ...(idTokenHint === undefined ? {} : { id_token_hint: idTokenHint }),
      });
    },

    state: () => state,

    async describe() {
      const server = (await discovery.get()).login.serverMetadata();
      const pkce = server.supportsPKCE() ? 'PKCE S256' : 'PKCE S256 not announced (sent all the same)';
      const revocation = server.revocation_endpoint === undefined ? 'no revocation' : 'revocation';
      const logout =
        server.end_session_endpoint === undefined ? 'no logout endpoint: logout is local' : 'logout';
      return `${server.issuer}: ${pkce}, ${revocation}, ${logout}`;
    },

    start: () => discovery.start(),
    close() {
      discovery.close();
      http.close();
    },
  };
}

async function discover(deps: OidcDeps, http: ProviderClient): Promise<Relation> {
  const { config } = deps;
  const fetch = http.fetchWith({ shape: normalizeTokenResponse });
  const issuer = new URL(config.issuer);
  // http is for the loopback, and for who allowed it by `allowInsecureHttp`: the configuration has been checked for that.
  const insecure = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [];
  const options = { [client.customFetch]: fetch, timeout: deps.timeoutMs / 1000 };
  const metadata = { [client.clockTolerance]: CLOCK_TOLERANCE_SECONDS };

  const login = await client.discovery(issuer, config.clientId, metadata, clientAuthentication(config), {
    ...options,
    // SECURITY: the signature of the ID token is checked, although the standard would let TLS stand for it.
    execute: [...insecure, client.enableNonRepudiationChecks],
  });
  const server = login.serverMetadata();
  // SECURITY: compared as strings (OpenID Connect Discovery, section 4.3); openid-client 6 compares parsed URLs.
  if (server.issuer !== config.issuer) {
    throw new Error(
      `provider.issuer is "${config.issuer}", but the provider calls itself "${server.issuer}"`,
    );
  }
  return {
    login,
    refresh(maySend) {
      const refresh = new client.Configuration(
        server,
        config.clientId,
        metadata,
        clientAuthentication(config),
      );
      refresh.timeout = options.timeout;
      refresh[client.customFetch] = http.fetchWith({ shape: detachIdToken, maySend });
      for (const allow of insecure) allow(refresh);
      return refresh;
    },
    verifyRefreshed: createIdTokenVerifier({ metadata: server, clientId: config.clientId, fetch }),
  };
}

function clientAuthentication(config: OidcProviderConfig): client.ClientAuth {
  return config.clientAuthentication === 'client_secret_post'
    ? client.ClientSecretPost(config.clientSecret)
    : client.ClientSecretBasic(config.clientSecret);
}
