import { z } from 'zod';
import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import { privateKey } from '../../config/values/private-key.ts';
import { oneOf, shaped, text } from '../../config/values/scalar.ts';
import type { ProviderSection } from '../../config/schema/provider-section.ts';

/** Parameters of the authorization request that only the gateway may write. */
const reservedParameters = [
  'client_id',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
];

/** One scope. */
export const scopeToken = () =>
  shaped(/^[!#-[\]-~]+$/, 'expected a scope without spaces or quotes (RFC 6749 section 3.3)');

const parameterName = () =>
  text('expected the name of a parameter').refine(
    (name) => !reservedParameters.includes(name),
    'the gateway writes this parameter itself; it cannot be set',
  );

/** How people sign in at a provider that lets them approve on another device as well. */
export const loginKey = oneOf(['redirect', 'decoupled'])
  .prefault('redirect')
  .describe(
    'How people sign in: redirect, in this browser; decoupled, on another device as well (POST /auth/decoupled).',
  );

export const authorizationParamsKey = z
  .record(
    parameterName(),
    z.string('expected text; put quotes around a number').describe('The value of the parameter.'),
    'expected a mapping of parameter names to values',
  )
  .prefault({})
  .meta({
    description: 'Fixed parameters added to the authorization request, such as access_type: offline.',
    secret: true,
  });

/** How the gateway proves to a token server that it is the client. {@link clientCredentialRules} go with them. */
export const clientKeys = {
  clientId: text('expected the client identifier the provider issued').describe(
    'The client identifier registered at the provider.',
  ),
  clientAuthentication: oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .prefault('client_secret_basic')
    .describe('How the gateway proves itself at the token endpoint (OpenID Connect Core 1.0 section 9).'),
  clientSecret: text('expected the client secret').exactOptional().meta({
    description:
      'The client secret, for client_secret_basic and client_secret_post. A secret: take it from a file or a variable.',
    secret: true,
  }),
  privateKey: privateKey().exactOptional().meta({
    description:
      'The private key that private_key_jwt signs with: PKCS#8 in PEM, or a JWK. A secret: take it from a file.',
    secret: true,
  }),
  keyId: text('expected the key identifier the provider knows')
    .exactOptional()
    .describe("The kid sent with private_key_jwt; by default the JWK's own, or none."),
  assertionAudience: oneOf(['issuer', 'token_endpoint'])
    .exactOptional()
    .describe('Whom the assertion of private_key_jwt is for; issuer when not written.'),
};

/** How the gateway proves to a token server that it is the client. */
export type ClientConfig = z.output<z.ZodObject<typeof clientKeys>>;

/** True for a section whose kind has {@link clientKeys}. */
export function hasClientKeys(section: ProviderSection): section is ProviderSection & ClientConfig {
  return 'clientAuthentication' in section;
}

/** Each client authentication method has the keys it needs, and none that it does not use. */
export function* clientCredentialRules(section: ClientConfig, isValid: IsValid): Iterable<ConfigIssue> {
  if (!isValid('clientAuthentication')) return;
  const method = section.clientAuthentication;
  const [needed, ...unused] =
    method === 'private_key_jwt'
      ? (['privateKey', 'clientSecret'] as const)
      : (['clientSecret', 'privateKey', 'keyId', 'assertionAudience'] as const);
  if (isValid(needed) && section[needed] === undefined) {
    const message = `missing or empty; provider.clientAuthentication ${method} needs it`;
    yield { path: [needed], message };
  }
  for (const key of unused) {
    if (!isValid(key) || section[key] === undefined) continue;
    const message = `provider.clientAuthentication ${method} has no use for it; leave it out`;
    yield { path: [key], message };
  }
}
