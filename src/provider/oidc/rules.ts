import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import { clientCredentialRules } from '../client/keys.ts';
import { CONFIGURABLE_ENDPOINTS } from './metadata-source.ts';
import type { OidcProviderConfig } from './schema.ts';

/** The rules between the keys of an OpenID provider. */
export function* oidcRules(section: OidcProviderConfig, isValid: IsValid): Iterable<ConfigIssue> {
  yield* clientCredentialRules(section, isValid);
  if (isValid('par') && isValid('endpoints') && section.par === 'required') {
    const isDiscovered = Object.keys(section.endpoints).length < CONFIGURABLE_ENDPOINTS;
    const message =
      'expected auto or off: with all of provider.endpoints set, no endpoint for pushed requests is discovered';
    if (!isDiscovered) yield { path: ['par'], message };
  }
}
