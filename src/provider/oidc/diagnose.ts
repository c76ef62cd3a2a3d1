import type { ServerMetadata } from 'openid-client';
import { diagnoseAuthorization } from '../authorization/diagnose.ts';
import { diagnoseDpop } from '../dpop/diagnose.ts';
import { checkResult, type CheckResult } from '../check-result.ts';
import { CONFIGURABLE_ENDPOINTS } from './metadata-source.ts';
import type { OidcProviderConfig } from './schema.ts';
import { isAsymmetric } from './server-metadata.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';

/** Compares the metadata of an OpenID provider with the configuration. */
export function diagnoseOidc(
  server: Readonly<ServerMetadata>,
  config: OidcProviderConfig,
  redirectUri: string,
): CheckResult[] {
  const hasRedirect = server.authorization_endpoint !== undefined;
  return [
    checkResult('provider', 'ok', `${server.issuer}, from ${metadataSource(config)}`),
    endpoints(server),
    grants(server, config),
    ...(config.login === 'decoupled' ? [decoupled(server)] : []),
    client(server, config),
    ...(hasRedirect ? [pkce(server), ...diagnoseAuthorization(server, config)] : []),
    ...diagnoseDpop(server, config),
    signing(server, config),
    scopes(server, config),
    refresh(server, config),
    revocation(server),
    logout(server, config),
    ...(hasRedirect ? [checkResult('callback', 'ok', `${redirectUri}; register it at the provider`)] : []),
  ];
}

function metadataSource({ discoveryUrl, endpoints }: OidcProviderConfig): string {
  if (Object.keys(endpoints).length === CONFIGURABLE_ENDPOINTS) return 'provider.endpoints';
  const source = discoveryUrl === undefined ? 'OpenID discovery' : 'provider.discoveryUrl';
  return Object.keys(endpoints).length === 0 ? source : `${source} and provider.endpoints`;
}

function endpoints(server: Readonly<ServerMetadata>): CheckResult {
  const found = [
    ['authorization', server.authorization_endpoint],
    ['token', server.token_endpoint],
    ['keys', server.jwks_uri],
    ['decoupled', server.backchannel_authentication_endpoint],
    ['revocation', server.revocation_endpoint],
    ['logout', server.end_session_endpoint],
  ].flatMap(([name, url]) => (url === undefined ? [] : [`${name} ${url}`]));
  return { name: 'endpoints', verdict: 'ok', detail: found.join(', ') };
}

function grants(server: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const { grant_types_supported: announced, authorization_endpoint: redirect } = server;
  const needed = [
    ...(redirect === undefined ? [] : ['authorization_code']),
    ...(config.login === 'decoupled' ? [CIBA] : []),
  ];
  const refresh = 'refresh_token';
  if (announced === undefined) {
    const detail = `none announced; ${[...needed, refresh].join(', ')} are used anyway`;
    return checkResult('grants', 'warning', detail);
  }
  const missing = needed.filter((grant) => !announced.includes(grant));
  if (missing.length > 0) {
    return checkResult(
      'grants',
      'failed',
      `${missing.join(', ')} not announced; the provider announces ${announced.join(', ')}`,
    );
  }
  return announced.includes(refresh)
    ? checkResult('grants', 'ok', [...needed, refresh].join(', '))
    : checkResult(
        'grants',
        'warning',
        `${refresh} is not announced: without it a session ends when its access token expires`,
      );
}

/** Signing in on another device (OpenID CIBA Core 1.0, section 4). */
function decoupled(server: Readonly<ServerMetadata>) {
  const modes = server.backchannel_token_delivery_modes_supported;
  if (server.backchannel_authentication_endpoint === undefined)
    return checkResult(
      'decoupled',
      'failed',
      'no backchannel_authentication_endpoint: the provider does not support OpenID CIBA',
    );
  if (modes?.includes('poll') === false)
    return checkResult(
      'decoupled',
      'failed',
      `poll is not announced; the provider announces ${modes.join(', ')}`,
    );
  return checkResult('decoupled', 'ok', 'OpenID CIBA in poll mode; register the client for it');
}

/** A provider that announces no method takes client_secret_basic (OpenID Connect Discovery, section 3). */
function client(
  server: Readonly<ServerMetadata>,
  { clientAuthentication, privateKey, signingAlg }: OidcProviderConfig,
) {
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  if (clientAuthentication === 'none')
    return methods.includes('none')
      ? checkResult('client', 'ok', 'none: a public client, which PKCE alone protects')
      : checkResult(
          'client',
          'warning',
          'none, which the provider does not announce; register a public client',
        );
  if (!methods.includes(clientAuthentication)) {
    const detail = `provider.clientAuthentication is ${clientAuthentication}, but the provider accepts ${methods.join(', ')}`;
    return checkResult('client', 'failed', detail);
  }
  const algorithm = signingAlg ?? privateKey?.algorithm;
  const algorithms = server.token_endpoint_auth_signing_alg_values_supported;
  if (algorithm === undefined)
    return checkResult('client', 'ok', `${clientAuthentication}, which the provider accepts`);
  if (algorithms !== undefined && !algorithms.includes(algorithm)) {
    const detail = `the assertion is signed with ${algorithm}, but the provider accepts ${algorithms.join(', ')}`;
    return checkResult('client', 'failed', detail);
  }
  return checkResult('client', 'ok', `${clientAuthentication} with ${algorithm}, which the provider accepts`);
}

function pkce({ code_challenge_methods_supported: methods }: Readonly<ServerMetadata>) {
  return methods?.includes('S256') === true
    ? checkResult('PKCE', 'ok', 'S256')
    : checkResult('PKCE', 'warning', 'not announced; S256 is sent anyway');
}

/** A provider that announces no algorithm signs with RS256 (OpenID Connect Discovery, section 3). */
function signing(
  { id_token_signing_alg_values_supported: announced = ['RS256'] }: Readonly<ServerMetadata>,
  { idTokenSignedResponseAlg: registered }: OidcProviderConfig,
) {
  const accepted = registered ?? announced.filter(isAsymmetric).join(', ');
  return registered === undefined || announced.includes(registered)
    ? checkResult('signing', 'ok', `${accepted}, for ID and logout tokens`)
    : checkResult(
        'signing',
        'failed',
        `provider.idTokenSignedResponseAlg is ${registered}, but the provider announces ${announced.join(', ')}`,
      );
}

function scopes({ scopes_supported: announced }: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const unannounced = config.scopes.filter((scope) => announced?.includes(scope) === false);
  if (unannounced.length > 0) {
    const detail = `${unannounced.join(', ')} not announced; some providers then reject the sign-in`;
    return checkResult('scopes', 'warning', detail);
  }
  return checkResult('scopes', 'ok', config.scopes.join(', '));
}

/** No metadata says whether refresh tokens rotate; each token response shows it. */
function refresh({ scopes_supported: announced }: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const scope = 'offline_access';
  if (announced?.includes(scope) === true && !config.scopes.includes(scope)) {
    const detail = `${scope} is announced but not requested: some providers issue a refresh token only with it`;
    return checkResult('refresh', 'warning', detail);
  }
  const detail =
    'providers do not announce rotation: a refresh token in a response replaces the previous one';
  return checkResult('refresh', 'ok', detail);
}

function revocation({ revocation_endpoint: endpoint }: Readonly<ServerMetadata>) {
  return endpoint === undefined
    ? checkResult(
        'revocation',
        'warning',
        'no endpoint: sign-out discards the refresh token here, but it stays valid at the provider',
      )
    : checkResult('revocation', 'ok', 'sign-out revokes the refresh token');
}

function logout(
  { end_session_endpoint: endpoint }: Readonly<ServerMetadata>,
  { logoutUrl }: OidcProviderConfig,
) {
  if (logoutUrl !== undefined)
    return checkResult('logout', 'ok', `leads to ${new URL(logoutUrl).origin}, from provider.logoutUrl`);
  return endpoint === undefined
    ? checkResult(
        'logout',
        'warning',
        'no endpoint, and no provider.logoutUrl: users stay signed in at the provider',
      )
    : checkResult(
        'logout',
        'ok',
        `leads to ${endpoint}, then back to login.postLogoutReturnTo; register that at the provider`,
      );
}
