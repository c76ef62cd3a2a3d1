import type { CredentialsProviderConfig, OAuth2ProviderConfig } from '../config/schema/schema.ts';
import type { CheckResult } from './finding.ts';

/** What is known of a plain OAuth 2.0 server that has answered, and what each thing means. It says nothing of itself. */
export function diagnoseOAuth2(
  config: OAuth2ProviderConfig,
  issuer: string,
  redirectUri: string,
): CheckResult[] {
  const isDecoupled = config.login === 'decoupled';
  const isByRedirect = config.authorizationEndpoint !== undefined;
  const ways = [...(isByRedirect ? ['by redirect'] : []), ...(isDecoupled ? ['on another device'] : [])];
  const endpoints = Object.entries(config).flatMap(([key, value]) =>
    key.endsWith('Endpoint') && typeof value === 'string'
      ? [`${key.slice(0, -'Endpoint'.length)} ${value}`]
      : [],
  );
  return [
    finding(
      'provider',
      'ok',
      `${issuer} is reachable; it publishes no metadata, so the rest is as configured`,
    ),
    finding('endpoints', 'ok', endpoints.join(', ')),
    finding('sign-in', 'ok', ways.join(', and ')),
    finding('grants', 'ok', `authorization_code, refresh_token, sent as ${sentAs(config)}`),
    finding('client', 'ok', config.clientAuthentication),
    ...(isByRedirect ? [finding('PKCE', 'ok', 'S256, always sent; the server may ignore it')] : []),
    finding(
      'subject',
      'ok',
      config.userinfoEndpoint === undefined
        ? `${pointer(config.subject)} of the token response`
        : `${pointer(config.subject ?? ['sub'])} of the userinfoEndpoint response`,
    ),
    refresh(),
    config.revocationEndpoint === undefined
      ? finding(
          'revocation',
          'note',
          'no endpoint: sign-out discards the refresh token here, but it stays valid at the provider',
        )
      : finding('revocation', 'ok', 'sign-out revokes the refresh token'),
    finding('logout', 'note', 'no endpoint: people stay signed in at the provider'),
    ...(isByRedirect ? [finding('callback', 'ok', `${redirectUri}; register it at the provider`)] : []),
  ];
}

/** What is known of a vendor's API that has answered, and what each thing means. */
export function diagnoseCredentials(config: CredentialsProviderConfig, issuer: string): CheckResult[] {
  const { login, refresh: renewal, response } = config;
  const { expiresIn, expiresAt, refreshExpiresIn, refreshExpiresAt } = response;
  return [
    finding(
      'provider',
      'ok',
      `${issuer} is reachable; it publishes no metadata, so the rest is as configured`,
    ),
    finding(
      'endpoints',
      'ok',
      `login ${login.method} ${login.url}, refresh ${renewal.method} ${renewal.url}`,
    ),
    finding('sign-in', 'ok', 'with a user name and password that the page posts'),
    finding('subject', 'ok', response.subject === undefined ? 'the user name' : pointer(response.subject)),
    expiresIn === undefined && expiresAt === undefined
      ? finding(
          'lifetime',
          'note',
          'neither response.expiresIn nor response.expiresAt: access tokens are refreshed every hour, and when an API rejects one',
        )
      : finding(
          'lifetime',
          'ok',
          expiresIn === undefined
            ? `until ${pointer(expiresAt)}, by the vendor's clock`
            : `${pointer(expiresIn)}, by the gateway clock`,
        ),
    refreshExpiresIn === undefined && refreshExpiresAt === undefined
      ? finding('session', 'note', 'the refresh token expiry is unknown: a session may end unexpectedly')
      : finding(
          'session',
          'ok',
          `ends when its refresh token expires: ${pointer(refreshExpiresIn ?? refreshExpiresAt)}`,
        ),
    refresh(),
    finding(
      'revocation',
      'note',
      'no endpoint: sign-out discards the tokens here, but they stay valid at the vendor',
    ),
    finding('logout', 'ok', 'only at the gateway; there is no vendor session to end'),
  ];
}

function sentAs({ requestFormat }: OAuth2ProviderConfig): string {
  return requestFormat === 'json' ? 'a JSON object' : 'a form';
}

/** Whether refresh tokens rotate is announced nowhere; the gateway goes by each answer. */
function refresh(): CheckResult {
  const detail = 'rotation is not announced: a refresh token in a response replaces the previous one';
  return finding('refresh', 'ok', detail);
}

/** A JSON Pointer as it is written (RFC 6901, section 3). */
function pointer(keys: readonly string[] = []): string {
  return keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function finding(name: string, verdict: CheckResult['verdict'], detail: string): CheckResult {
  return { name, verdict, detail };
}
