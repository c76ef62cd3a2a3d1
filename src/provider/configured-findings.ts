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
      `${issuer} answers; the rest is as configured, since it says nothing of itself`,
    ),
    finding('endpoints', 'ok', endpoints.join(', ')),
    finding('sign-in', 'ok', ways.join(', and ')),
    finding('grants', 'ok', `authorization_code, refresh_token, sent as ${sentAs(config)}`),
    finding('client', 'ok', config.clientAuthentication),
    ...(isByRedirect ? [finding('PKCE', 'ok', 'S256, whether the server looks at it or not')] : []),
    finding(
      'subject',
      'ok',
      config.userinfoEndpoint === undefined
        ? `${pointer(config.subject)} of the token answer`
        : `${pointer(config.subject ?? ['sub'])} of what userinfoEndpoint answers`,
    ),
    refresh(),
    config.revocationEndpoint === undefined
      ? finding(
          'revocation',
          'note',
          'no endpoint: signing out discards the refresh token here, and there it lives on',
        )
      : finding('revocation', 'ok', 'signing out revokes the refresh token'),
    finding('logout', 'note', 'no endpoint: people stay signed in at the provider'),
    ...(isByRedirect ? [finding('callback', 'ok', `${redirectUri}, to be registered at the provider`)] : []),
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
      `${issuer} answers; the rest is as configured, since it says nothing of itself`,
    ),
    finding(
      'endpoints',
      'ok',
      `login ${login.method} ${login.url}, refresh ${renewal.method} ${renewal.url}`,
    ),
    finding('sign-in', 'ok', 'by a user name and password that the page posts'),
    finding('subject', 'ok', response.subject === undefined ? 'the user name' : pointer(response.subject)),
    expiresIn === undefined && expiresAt === undefined
      ? finding(
          'lifetime',
          'note',
          'neither response.expiresIn nor response.expiresAt: access tokens are renewed each hour, and when an API refuses one',
        )
      : finding(
          'lifetime',
          'ok',
          expiresIn === undefined
            ? `until ${pointer(expiresAt)}, by the vendor's own clock`
            : `${pointer(expiresIn)}, from our clock`,
        ),
    refreshExpiresIn === undefined && refreshExpiresAt === undefined
      ? finding('session', 'note', 'the end of refresh tokens is not known: a session may end in the middle')
      : finding(
          'session',
          'ok',
          `ends with its refresh token: ${pointer(refreshExpiresIn ?? refreshExpiresAt)}`,
        ),
    refresh(),
    finding(
      'revocation',
      'note',
      'no endpoint: signing out discards the tokens here, and there they live on',
    ),
    finding('logout', 'ok', 'here; there is no sign-in at the vendor that could be ended'),
  ];
}

function sentAs({ requestFormat }: OAuth2ProviderConfig): string {
  return requestFormat === 'json' ? 'a JSON object' : 'a form';
}

/** Whether refresh tokens rotate is announced nowhere; the gateway goes by each answer. */
function refresh(): CheckResult {
  const detail = 'rotation is not announced: a refresh token that an answer brings replaces the one before';
  return finding('refresh', 'ok', detail);
}

/** A JSON Pointer as it is written (RFC 6901, section 3). */
function pointer(keys: readonly string[] = []): string {
  return keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function finding(name: string, verdict: CheckResult['verdict'], detail: string): CheckResult {
  return { name, verdict, detail };
}
