import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import type { OtherKeys } from '../../config/schema/provider-section.ts';
import { fapi2Rules } from '../authorization/profile.ts';
import { clientCredentialRules } from '../client/keys.ts';
import { CONFIGURABLE_ENDPOINTS } from './metadata-source.ts';
import type { OidcProviderConfig } from './schema.ts';

/** The rules between the keys of an OpenID provider. */
export function* oidcRules(
  section: OidcProviderConfig,
  isValid: IsValid,
  others: OtherKeys,
): Iterable<ConfigIssue> {
  yield* clientCredentialRules(section, isValid, others);
  if (isValid('profile') && section.profile === 'fapi2') yield* fapi2Rules(section, isValid, others);
  if (isValid('requestObject') && section.requestObject !== undefined)
    yield* requestObjectRules(section.requestObject, others);
  if (isValid('par') && isValid('endpoints') && section.par === 'required') {
    const isDiscovered = Object.keys(section.endpoints).length < CONFIGURABLE_ENDPOINTS;
    const message =
      'expected auto or off: with all of provider.endpoints set, no endpoint for pushed requests is discovered';
    if (!isDiscovered) yield { path: ['par'], message };
  }
}

/** The first of `keys` signs requests. */
function* requestObjectRules(
  { signingAlg }: NonNullable<OidcProviderConfig['requestObject']>,
  { signingKey: key }: OtherKeys,
): Iterable<ConfigIssue> {
  if (key === 'invalid') return;
  if (key === undefined) yield { path: ['requestObject'], message: 'needs a key that signs: set keys' };
  else if (!key.algorithms.includes(signingAlg)) {
    const message = `expected one of ${key.algorithms.join(', ')}, which ${key.path} can sign`;
    yield { path: ['requestObject', 'signingAlg'], message };
  }
}
