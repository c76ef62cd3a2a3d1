import * as oauth from 'openid-client';
import type { DpopKey } from '../../dpop/key.ts';
import { GatewayError } from '../../errors.ts';
import { forAudience } from '../audience-parameters.ts';
import { createBackchannelRequest } from '../authorization/backchannel-request.ts';
import { createAuthorizationRequest } from '../authorization/request.ts';
import { createClientAuthentication } from '../client/authentication.ts';
import { decryptIdToken } from '../client/id-token-decryption.ts';
import { metadataOf } from '../client/metadata.ts';
import { createUnverifiableReport } from '../client/unverifiable-report.ts';
import { CIBA_GRANT, createDecoupledLogin } from '../decoupled/login.ts';
import { createDiscovery } from '../discovery.ts';
import { createTokenGrants } from '../grants/create-token-grants.ts';
import { createDpopHandles } from '../dpop/handles.ts';
import { createLimitedWarning } from '../../observability/log-limit.ts';
import { OUTAGE_REPORT_INTERVAL_MS } from '../../timing.ts';
import { createProviderClient } from '../http/http-client.ts';
import type { ProviderDeps } from '../kind.ts';
import { loginRefused, providerUnavailable } from '../login-failure.ts';
import {
  UnusedTokensError,
  type Provider,
  type RefreshOutcome,
  type RevocationOutcome,
  type SignIn,
} from '../provider.ts';
import { createProviderHealth } from '../provider-health.ts';
import { withRouteScopes } from '../step-up-parameters.ts';
import { createRedirectLogin } from '../redirect-login.ts';
import { classifyRefreshFailure, classifyRevocationFailure, lacksConsent } from '../refusal.ts';
import { hasBoundToken, readRefreshResponse, readTokenResponse, reattachIdToken } from '../token-response.ts';
import { diagnoseOidc } from './diagnose.ts';
import { discover, type DiscoveredProvider } from './discovered-provider.ts';
import { fillLogoutUrl } from './logout-url.ts';
import type { OidcProviderConfig } from './schema.ts';

/** Any OpenID provider with discovery, with openid-client 6: authorization code with PKCE S256, state and nonce. */
export function createOidcProvider(deps: ProviderDeps<OidcProviderConfig>): Provider {
  const { config, log, metrics } = deps;
  const health = createProviderHealth({ log, metrics });
  const http = createProviderClient({ config, health, tracing: deps.tracing });
  const authenticate = createClientAuthentication(config, deps.signingKeys);
  const dpop = createDpopHandles({ isOn: config.dpop });
  const discovery = createDiscovery<DiscoveredProvider>({
    discover: () => discover(deps, http, authenticate, dpop),
    onFound: () => health.established(),
    issuer: config.issuer,
    log,
  });

  const hasRouteResources = (deps.routeScopes?.resources.length ?? 0) > 0;
  const client = async () => (await discovery.get()).client;
  const parameters = {
    ...config.authorizationParams,
    scope: withRouteScopes(config.scopes, deps.routeScopes).join(' '),
  };

  const warnOfUnusable = createLimitedWarning({
    log,
    intervalMs: OUTAGE_REPORT_INTERVAL_MS,
    clock: deps.clock,
  });
  const report = createUnverifiableReport(deps);

  return {
    issuer: config.issuer,
    redirectLogin: createRedirectLogin({
      issuer: config.issuer,
      redirectUri: deps.redirectUri,
      client,
      parameters,
      resources: deps.routeScopes?.resources ?? [],
      protocol: 'openid',
      dpop,
      jwtResponses:
        config.responseMode === 'query'
          ? undefined
          : async () => {
              const { jwtResponses } = await discovery.get();
              if (jwtResponses === undefined)
                throw new Error('the provider was found without provider.responseMode');
              return jwtResponses;
            },
      buildUrl: createAuthorizationRequest(config, deps.signingKeys),
      readSignIn: async (json, sent) => readSignIn(await discovery.get(), { json, ...sent }),
      clock: deps.clock,
    }),

    decoupledLogin:
      config.login === 'decoupled'
        ? createDecoupledLogin({
            client,
            endpoint: 'backchannel authentication endpoint',
            parameters,
            grant: CIBA_GRANT,
            sign: createBackchannelRequest(config, deps.signingKeys),
            dpop,
            readSignIn: async (json, sentAtMs, dpopKey) =>
              readSignIn(await discovery.get(), {
                json,
                dpopKey,
                nonce: undefined,
                maxAge: undefined,
                acrValues: [],
                sentAtMs,
              }),
            timeoutMs: config.timeout,
            bindingMessage: config.bindingMessage,
            clock: deps.clock,
          })
        : undefined,

    grants: createTokenGrants({ client, dpop, clock: deps.clock }),

    logoutTokens: async (logoutToken) => (await discovery.get()).logoutTokens(logoutToken),

    async refresh({
      refreshToken,
      dpopKey,
      subject,
      audience,
      namesResource = false,
      maySend,
    }): Promise<RefreshOutcome> {
      const found = await discovery.get().catch((cause: unknown) => ({ cause }));
      if ('cause' in found) return { kind: 'transient', retryAfterSeconds: undefined, cause: found.cause };
      const sentAtMs = deps.clock();
      try {
        const refreshClient = found.createRefreshClient(maySend);
        const usualResource =
          namesResource || hasRouteResources ? config.authorizationParams['resource'] : undefined;
        const parameters = forAudience(audience, usualResource);
        const json = await oauth.refreshTokenGrant(
          refreshClient,
          refreshToken,
          parameters,
          dpop.of(refreshClient, dpopKey),
        );
        const received = readRefreshResponse(json, { isBound: dpopKey !== undefined });
        const tokenResponse = await decryptIdToken(received, deps.signingKeys).catch((cause: unknown) => {
          report.unverifiable(cause);
          return { ...received, idToken: undefined };
        });
        if (dpopKey !== undefined && tokenResponse.accessToken === undefined)
          warnOfUnusable(
            {},
            'the provider returned no bound access token for a session with DPoP; using none',
          );
        if (tokenResponse.idToken === undefined)
          return { kind: 'refreshed', tokenResponse, claims: undefined, sentAtMs };
        const verdict = await found.idTokens.ofRefresh(tokenResponse.idToken, { subject });
        switch (verdict.kind) {
          case 'valid':
            report.verified();
            return { kind: 'refreshed', tokenResponse, claims: verdict.claims, sentAtMs };
          case 'invalid':
            return {
              kind: 'identity_changed',
              refreshToken: tokenResponse.refreshToken,
              cause: verdict.cause,
            };
          case 'unverifiable':
            // The tokens came over the authenticated connection to the token endpoint, so they are used; the claims are not.
            report.unverifiable(verdict.cause);
            return {
              kind: 'refreshed',
              tokenResponse: { ...tokenResponse, idToken: undefined },
              claims: undefined,
              sentAtMs,
            };
        }
      } catch (cause) {
        // Only for another audience: for the audience of the sign-in, `invalid_grant` means that the session has ended.
        if (audience.id !== '' && lacksConsent(cause))
          return { kind: 'misconfigured', error: 'consent_required', cause };
        return classifyRefreshFailure(cause, config.rejectionErrors);
      }
    },

    async revoke(refreshToken): Promise<RevocationOutcome> {
      try {
        const current = await client();
        if (metadataOf(current).revocation_endpoint !== undefined)
          await oauth.tokenRevocation(current, refreshToken, { token_type_hint: 'refresh_token' });
        return { kind: 'revoked' };
      } catch (cause) {
        return classifyRevocationFailure(cause);
      }
    },

    endSessionUrl({ postLogoutRedirectUri, idTokenHint }) {
      const { clientId, logoutUrl } = config;
      // It takes precedence over the metadata: Amazon Cognito announces an end_session_endpoint that takes other parameters.
      if (logoutUrl !== undefined)
        return fillLogoutUrl(logoutUrl, { clientId, returnTo: postLogoutRedirectUri });
      const current = discovery.current()?.client;
      if (current === undefined || metadataOf(current).end_session_endpoint === undefined) return undefined;
      return oauth.buildEndSessionUrl(current, {
        post_logout_redirect_uri: postLogoutRedirectUri,
        ...(idTokenHint === undefined ? {} : { id_token_hint: idTokenHint }),
      });
    },

    state: health.state,
    notReadyReason: discovery.failure,

    async diagnose() {
      return diagnoseOidc((await client()).serverMetadata(), config, deps.redirectUri);
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

/** Reads the signed-in user from the ID token of a token response. Throws {@link UnusedTokensError}. */
async function readSignIn(
  { idTokens, userinfo, decrypt }: Pick<DiscoveredProvider, 'idTokens' | 'userinfo' | 'decrypt'>,
  given: {
    json: Readonly<Record<string, unknown>>;
    dpopKey: DpopKey | undefined;
    nonce: string | undefined;
    maxAge: number | undefined;
    acrValues: readonly string[];
    sentAtMs: number;
  },
): Promise<SignIn> {
  const received = readTokenResponse(reattachIdToken(given.json));
  const { accessToken, refreshToken } = received;
  const refuse = (reason: string, cause?: unknown) =>
    new UnusedTokensError(loginRefused(reason, cause), refreshToken);
  if (accessToken === '') throw refuse('the token response has no usable "access_token"');
  // SECURITY: the operator asked for bound tokens, so the gateway does not fall back to bearer tokens (RFC 9449, section 5).
  if (given.dpopKey !== undefined && !hasBoundToken(given.json))
    throw refuse('provider.dpop is true, but the provider issued a token of another type than "DPoP"');
  if (received.idToken === undefined) throw refuse('the token response has no "id_token"');

  const tokenResponse = await decrypt(received).catch((cause: unknown) => {
    throw refuse('none of keys can decrypt the ID token', cause);
  });
  const { idToken = '' } = tokenResponse;
  const { nonce, maxAge, acrValues } = given;
  const verdict = await idTokens.ofLogin(idToken, { nonce, maxAge, acrValues, accessToken });
  switch (verdict.kind) {
    case 'valid': {
      const { sub: subject, sid } = verdict.claims;
      return {
        issuer: idTokens.issuer,
        subject,
        providerSessionId: typeof sid === 'string' ? sid : undefined,
        claims: verdict.claims,
        userinfo: await userinfo(verdict.claims, accessToken, given.dpopKey).catch((error: unknown) => {
          throw error instanceof GatewayError ? new UnusedTokensError(error, refreshToken) : error;
        }),
        tokenResponse,
        dpopKey: given.dpopKey,
        sentAtMs: given.sentAtMs,
      };
    }
    case 'invalid':
      throw refuse(`the ID token is invalid: ${verdict.cause.message}`, verdict.cause);
    case 'unverifiable':
      throw new UnusedTokensError(providerUnavailable(verdict.cause), refreshToken);
  }
}
