import type { ServerMetadata } from 'openid-client';
import type { OidcProviderConfig } from '../../config/schema/schema.ts';
import type { CheckResult } from '../finding.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';

/** What an OpenID provider says of itself, and what each thing means for a configuration. */
export function diagnoseOidc(
  server: Readonly<ServerMetadata>,
  config: OidcProviderConfig,
  redirectUri: string,
): CheckResult[] {
  return [
    { name: 'provider', verdict: 'ok', detail: `${server.issuer}, from OpenID discovery` },
    endpoints(server),
    grants(server, config),
    ...(config.login === 'decoupled' ? [decoupled(server)] : []),
    client(server, config),
    pkce(server),
    scopes(server, config),
    refresh(server, config),
    revocation(server),
    logout(server, config),
    { name: 'callback', verdict: 'ok', detail: `${redirectUri}; register it at the provider` },
  ];
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

function grants({ grant_types_supported: announced }: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const needed = ['authorization_code', ...(config.login === 'decoupled' ? [CIBA] : [])];
  const refresh = 'refresh_token';
  if (announced === undefined) {
    const detail = `none announced; ${[...needed, refresh].join(', ')} are used anyway`;
    return finding('grants', 'note', detail);
  }
  const missing = needed.filter((grant) => !announced.includes(grant));
  if (missing.length > 0) {
    return finding(
      'grants',
      'failed',
      `${missing.join(', ')} not announced; the provider announces ${announced.join(', ')}`,
    );
  }
  return announced.includes(refresh)
    ? finding('grants', 'ok', [...needed, refresh].join(', '))
    : finding(
        'grants',
        'note',
        `${refresh} is not announced: without it a session ends when its access token expires`,
      );
}

/** Signing in on another device (OpenID CIBA Core 1.0, section 4). */
function decoupled(server: Readonly<ServerMetadata>) {
  const modes = server.backchannel_token_delivery_modes_supported;
  if (server.backchannel_authentication_endpoint === undefined)
    return finding(
      'decoupled',
      'failed',
      'no backchannel_authentication_endpoint: the provider does not support OpenID CIBA',
    );
  if (modes?.includes('poll') === false)
    return finding(
      'decoupled',
      'failed',
      `poll is not announced; the provider announces ${modes.join(', ')}`,
    );
  return finding('decoupled', 'ok', 'OpenID CIBA in poll mode; register the client for it');
}

/** Without a word of the provider it is client_secret_basic (OpenID Connect Discovery, section 3). */
function client(server: Readonly<ServerMetadata>, { clientAuthentication, privateKey }: OidcProviderConfig) {
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  if (!methods.includes(clientAuthentication)) {
    const detail = `provider.clientAuthentication is ${clientAuthentication}, but the provider accepts ${methods.join(', ')}`;
    return finding('client', 'failed', detail);
  }
  const algorithm = privateKey?.algorithm;
  const algorithms = server.token_endpoint_auth_signing_alg_values_supported;
  if (algorithm === undefined)
    return finding('client', 'ok', `${clientAuthentication}, which the provider accepts`);
  if (algorithms !== undefined && !algorithms.includes(algorithm)) {
    const detail = `provider.privateKey signs with ${algorithm}, but the provider accepts ${algorithms.join(', ')}`;
    return finding('client', 'failed', detail);
  }
  return finding('client', 'ok', `${clientAuthentication} with ${algorithm}, which the provider accepts`);
}

function pkce({ code_challenge_methods_supported: methods }: Readonly<ServerMetadata>) {
  return methods?.includes('S256') === true
    ? finding('PKCE', 'ok', 'S256')
    : finding('PKCE', 'note', 'not announced; S256 is sent anyway');
}

function scopes({ scopes_supported: announced }: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const odd = config.scopes.filter((scope) => announced?.includes(scope) === false);
  if (odd.length > 0) {
    const detail = `${odd.join(', ')} not announced; some providers then reject the sign-in`;
    return finding('scopes', 'note', detail);
  }
  return finding('scopes', 'ok', config.scopes.join(', '));
}

/** Whether refresh tokens rotate is in no metadata; the gateway goes by each answer. */
function refresh({ scopes_supported: announced }: Readonly<ServerMetadata>, config: OidcProviderConfig) {
  const scope = 'offline_access';
  if (announced?.includes(scope) === true && !config.scopes.includes(scope)) {
    const detail = `${scope} is announced but not requested: some providers issue a refresh token only with it`;
    return finding('refresh', 'note', detail);
  }
  const detail =
    'providers do not announce rotation: a refresh token in a response replaces the previous one';
  return finding('refresh', 'ok', detail);
}

function revocation({ revocation_endpoint: endpoint }: Readonly<ServerMetadata>) {
  return endpoint === undefined
    ? finding(
        'revocation',
        'note',
        'no endpoint: sign-out discards the refresh token here, but it stays valid at the provider',
      )
    : finding('revocation', 'ok', 'sign-out revokes the refresh token');
}

function logout(
  { end_session_endpoint: endpoint }: Readonly<ServerMetadata>,
  { logoutUrl }: OidcProviderConfig,
) {
  if (logoutUrl !== undefined)
    return finding('logout', 'ok', `leads to ${new URL(logoutUrl).origin}, from provider.logoutUrl`);
  return endpoint === undefined
    ? finding(
        'logout',
        'note',
        'no endpoint, and no provider.logoutUrl: people stay signed in at the provider',
      )
    : finding(
        'logout',
        'ok',
        `leads to ${endpoint}, then back to login.postLogoutReturnTo; register that at the provider`,
      );
}

function finding(name: string, verdict: CheckResult['verdict'], detail: string): CheckResult {
  return { name, verdict, detail };
}
