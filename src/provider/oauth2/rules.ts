import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import type { OtherKeys } from '../../config/schema/provider-section.ts';
import { clientCredentialRules } from '../client/keys.ts';
import type { OAuth2ProviderConfig } from './schema.ts';

/** The rules between keys of an OAuth 2.0 server. */
export function* oauth2Rules(
  section: OAuth2ProviderConfig,
  isValid: IsValid,
  others: OtherKeys,
): Iterable<ConfigIssue> {
  yield* clientCredentialRules(section, isValid, others);
  yield* endpointRules(section, isValid);
}

/** Each way of signing in requires its endpoints, and a response must contain the subject. */
function* endpointRules(section: OAuth2ProviderConfig, isValid: IsValid): Iterable<ConfigIssue> {
  const isMissing = (key: keyof OAuth2ProviderConfig) => isValid(key) && section[key] === undefined;
  const missing = (key: string, why: string): ConfigIssue => ({
    path: [key],
    message: `missing or empty; ${why}`,
  });
  const redirect = ['authorizationEndpoint', 'tokenEndpoint'] as const;
  const decoupled = ['decoupledEndpoint', 'decoupledTokenEndpoint'] as const;

  if (isValid('login')) {
    const isDecoupled = section.login === 'decoupled';
    for (const key of isDecoupled ? decoupled : redirect)
      if (isMissing(key)) yield missing(key, `provider.login ${section.login} requires it`);
    for (const key of isDecoupled ? [] : decoupled) {
      if (!isValid(key) || section[key] === undefined) continue;
      const message =
        'provider.login redirect does not use it; remove it, or set provider.login to decoupled';
      yield { path: [key], message };
    }
    // A decoupled sign-in may be offered beside the redirect; the redirect then needs both of its endpoints.
    const [one, other] = redirect;
    if (isDecoupled && isMissing(one) !== isMissing(other)) {
      const key = isMissing(one) ? one : other;
      yield missing(key, `signing in by redirect requires both ${redirect.join(' and ')}, or neither`);
    }
  }
  if (isMissing('subject') && isMissing('userinfoEndpoint'))
    yield missing(
      'subject',
      'without provider.userinfoEndpoint it must point to the subject in the token response',
    );
}
