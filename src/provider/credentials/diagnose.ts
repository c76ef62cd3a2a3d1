import { checkResult, rotationResult, type CheckResult } from '../check-result.ts';
import { formatJsonPointer } from '../http/json-value.ts';
import type { CredentialsProviderConfig } from './schema.ts';

/** Reports on a vendor API that responds, based on the configuration alone. */
export function diagnoseCredentials(config: CredentialsProviderConfig, issuer: string): CheckResult[] {
  const { login, refresh: refreshCall, response } = config;
  const { expiresIn, expiresAt, refreshExpiresIn, refreshExpiresAt } = response;
  return [
    checkResult(
      'provider',
      'ok',
      `${issuer} is reachable; it publishes no metadata, so the rest is as configured`,
    ),
    checkResult(
      'endpoints',
      'ok',
      `login ${login.method} ${login.url}, refresh ${refreshCall.method} ${refreshCall.url}`,
    ),
    checkResult('sign-in', 'ok', 'with a user name and password that the page posts'),
    checkResult(
      'subject',
      'ok',
      response.subject === undefined
        ? `the user name, ${config.usernameSubject}`
        : formatJsonPointer(response.subject),
    ),
    expiresIn === undefined && expiresAt === undefined
      ? checkResult(
          'lifetime',
          'warning',
          'neither response.expiresIn nor response.expiresAt: access tokens are refreshed every hour, and when an API rejects one',
        )
      : checkResult(
          'lifetime',
          'ok',
          expiresIn === undefined
            ? `until ${formatJsonPointer(expiresAt)}, by the vendor's clock`
            : `${formatJsonPointer(expiresIn)}, by the gateway clock`,
        ),
    refreshExpiresIn === undefined && refreshExpiresAt === undefined
      ? checkResult(
          'session',
          'warning',
          'the refresh token expiry is unknown: a session may end unexpectedly',
        )
      : checkResult(
          'session',
          'ok',
          `ends when its refresh token expires: ${formatJsonPointer(refreshExpiresIn ?? refreshExpiresAt)}`,
        ),
    rotationResult,
    config.logout === undefined
      ? checkResult(
          'revocation',
          'warning',
          'no endpoint: sign-out discards the tokens here, but they stay valid at the vendor',
        )
      : checkResult('revocation', 'ok', `sign-out calls ${config.logout.method} ${config.logout.url}`),
    checkResult('logout', 'ok', 'only at the gateway; there is no vendor session to end'),
  ];
}
