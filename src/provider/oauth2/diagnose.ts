import { checkResult, rotationResult, type CheckResult } from '../check-result.ts';
import { formatJsonPointer } from '../http/json-value.ts';
import type { OAuth2ProviderConfig } from './schema.ts';

/** Reports on a plain OAuth 2.0 server that responds, based on the configuration alone: it publishes no metadata. */
export function diagnoseOAuth2(
  config: OAuth2ProviderConfig,
  issuer: string,
  redirectUri: string,
): CheckResult[] {
  const isDecoupled = config.login === 'decoupled';
  const hasRedirect = config.authorizationEndpoint !== undefined;
  const signInWays = [...(hasRedirect ? ['by redirect'] : []), ...(isDecoupled ? ['on another device'] : [])];
  const endpoints = Object.entries(config).flatMap(([key, value]) =>
    key.endsWith('Endpoint') && typeof value === 'string'
      ? [`${key.slice(0, -'Endpoint'.length)} ${value}`]
      : [],
  );
  const body = config.requestFormat === 'json' ? 'a JSON object' : 'a form';
  return [
    checkResult(
      'provider',
      'ok',
      `${issuer} is reachable; it publishes no metadata, so the rest is as configured`,
    ),
    checkResult('endpoints', 'ok', endpoints.join(', ')),
    checkResult('sign-in', 'ok', signInWays.join(', and ')),
    checkResult('grants', 'ok', `authorization_code, refresh_token, sent as ${body}`),
    checkResult('client', 'ok', config.clientAuthentication),
    ...(hasRedirect ? [checkResult('PKCE', 'ok', 'S256, always sent; the server may ignore it')] : []),
    checkResult(
      'subject',
      'ok',
      config.userinfoEndpoint === undefined
        ? `${formatJsonPointer(config.subject)} of the token response`
        : `${formatJsonPointer(config.subject ?? ['sub'])} of the userinfoEndpoint response`,
    ),
    rotationResult,
    config.revocationEndpoint === undefined
      ? checkResult(
          'revocation',
          'warning',
          'no endpoint: sign-out discards the refresh token here, but it stays valid at the provider',
        )
      : checkResult('revocation', 'ok', 'sign-out revokes the refresh token'),
    checkResult('logout', 'warning', 'no endpoint: users stay signed in at the provider'),
    ...(hasRedirect ? [checkResult('callback', 'ok', `${redirectUri}; register it at the provider`)] : []),
  ];
}
