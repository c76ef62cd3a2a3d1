import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import type { KeyPath } from '../../config/diagnostics/key-path.ts';
import type { OtherKeys } from '../../config/schema/provider-section.ts';
import type { OidcProviderConfig } from '../oidc/schema.ts';

/** The algorithms of FAPI 2.0 Security Profile, section 5.4.1. */
const fapiAlgorithms: readonly string[] = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];
const algorithmList = fapiAlgorithms.join(', ');
const isFapiAlgorithm = (algorithm: string) => fapiAlgorithms.includes(algorithm);

const clientAuthentications: readonly string[] = [
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
];

/** What is laxer than the FAPI 2.0 Security Profile, in `provider` (section 5.3.3). */
export function* fapi2Rules(
  section: OidcProviderConfig,
  isValid: IsValid,
  others: OtherKeys,
): Iterable<ConfigIssue> {
  const broken = [
    ...encryption(section),
    ...client(section, others),
    ...tokens(section),
    ...requests(section),
  ];
  for (const { path, expected } of broken) {
    if (isValid(...path)) yield { path, message: `expected ${expected}; provider.profile fapi2 requires it` };
  }
}

type Broken = { path: KeyPath; expected: string };

function* encryption({ issuer, discoveryUrl, endpoints }: OidcProviderConfig): Iterable<Broken> {
  const urls: Array<readonly [KeyPath, string | undefined]> = [
    [['issuer'], issuer],
    [['discoveryUrl'], discoveryUrl],
    ...Object.entries(endpoints).map(([name, url]) => [['endpoints', name], url] as const),
  ];
  for (const [path, url] of urls) if (url?.startsWith('http:') === true) yield { path, expected: 'https' };
}

function* client(section: OidcProviderConfig, { signingKey }: OtherKeys): Iterable<Broken> {
  const { clientAuthentication: method, assertionAudience, privateKey, signingAlg } = section;
  if (!clientAuthentications.includes(method))
    yield { path: ['clientAuthentication'], expected: clientAuthentications.join(', or ') };
  if (method !== 'private_key_jwt') return;
  if (assertionAudience === 'token_endpoint') yield { path: ['assertionAudience'], expected: 'issuer' };
  const key = privateKey ?? signingKey;
  const algorithm = signingAlg ?? (key === 'invalid' ? undefined : key?.algorithm);
  if (algorithm !== undefined && !isFapiAlgorithm(algorithm))
    yield { path: ['signingAlg'], expected: `one of ${algorithmList}` };
}

function* tokens({ dpop, tls, idTokenSignedResponseAlg }: OidcProviderConfig): Iterable<Broken> {
  if (!dpop && tls.certificate === undefined)
    yield { path: ['dpop'], expected: 'true, or a client certificate in provider.tls' };
  if (idTokenSignedResponseAlg === undefined || !isFapiAlgorithm(idTokenSignedResponseAlg))
    yield { path: ['idTokenSignedResponseAlg'], expected: `one of ${algorithmList}` };
}

function* requests({ par, requestObject, login }: OidcProviderConfig): Iterable<Broken> {
  if (par !== 'required') yield { path: ['par'], expected: 'required' };
  if (requestObject !== undefined && !isFapiAlgorithm(requestObject.signingAlg))
    yield { path: ['requestObject', 'signingAlg'], expected: `one of ${algorithmList}` };
  // FAPI-CIBA, section 5.2.2: authentication requests are signed.
  if (login === 'decoupled' && requestObject === undefined)
    yield { path: ['requestObject'], expected: 'signed requests for provider.login decoupled' };
}

/** The algorithms of signed responses that a profile accepts. */
export function acceptedAlgorithms(
  profile: OidcProviderConfig['profile'],
  announced: readonly string[],
): readonly string[] {
  return profile === 'fapi2' ? announced.filter(isFapiAlgorithm) : announced;
}
