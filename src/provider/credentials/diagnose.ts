import { checkResult, rotationResult, type CheckResult } from '../check-result.ts';
import { formatJsonPointer } from '../http/json-value.ts';
import type { CredentialsProviderConfig } from './schema.ts';

/** Reports on a vendor's API that has responded, from the configuration alone. */
export function diagnoseCredentials(config: CredentialsProviderConfig, issuer: string): CheckResult[] {
  const { login, refresh: refreshCall, response } = config;
  const { expiresIn, expiresAt, refreshExpiresIn, refreshExpiresAt } = response;
  return [
    checkResult(
      'provider',
      'ok',
      `${issuer} answers; the rest is as configured, since it says nothing of itself`,
    ),
    checkResult(
      'endpoints',
      'ok',
      `login ${login.method} ${login.url}, refresh ${refreshCall.method} ${refreshCall.url}`,
    ),
    checkResult('sign-in', 'ok', 'by a user name and password that the page posts'),
    checkResult(
      'subject',
      'ok',
      response.subject === undefined ? 'the user name' : formatJsonPointer(response.subject),
    ),
    expiresIn === undefined && expiresAt === undefined
      ? checkResult(
          'lifetime',
          'note',
          'neither response.expiresIn nor response.expiresAt: access tokens are renewed each hour, and when an API refuses one',
        )
      : checkResult(
          'lifetime',
          'ok',
          expiresIn === undefined
            ? `until ${formatJsonPointer(expiresAt)}, by the vendor's own clock`
            : `${formatJsonPointer(expiresIn)}, from our clock`,
        ),
    refreshExpiresIn === undefined && refreshExpiresAt === undefined
      ? checkResult(
          'session',
          'note',
          'the end of refresh tokens is not known: a session may end in the middle',
        )
      : checkResult(
          'session',
          'ok',
          `ends with its refresh token: ${formatJsonPointer(refreshExpiresIn ?? refreshExpiresAt)}`,
        ),
    rotationResult,
    checkResult(
      'revocation',
      'note',
      'no endpoint: signing out discards the tokens here, and there they live on',
    ),
    checkResult('logout', 'ok', 'here; there is no sign-in at the vendor that could be ended'),
  ];
}
