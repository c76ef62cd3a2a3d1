import { z } from 'zod';
import type { ConfigIssue, IsValid } from '../../config/diagnostics/issue.ts';
import { protocolParameters } from '../../config/values/authorization-parameter.ts';
import { bindingMessageSource } from '../../config/values/binding-message.ts';
import type { OtherKeys } from '../../config/schema/provider-section.ts';
import type { ClientTls } from '../../config/schema/tls.ts';
import { privateKey, signingAlgorithms } from '../../config/values/secrets/private-key.ts';
import { oneOf, shaped, text } from '../../config/values/scalar.ts';

/** One scope. */
export const scopeToken = () =>
  shaped(/^[!#-[\]-~]+$/, 'expected a scope without spaces or quotes (RFC 6749 section 3.3)');

const parameterName = () =>
  text('expected a parameter name').refine(
    (name) => !protocolParameters.some((reserved) => reserved === name),
    'the gateway sets this parameter itself; it cannot be overridden',
  );

/** How users sign in at a provider that also supports approval on another device. */
export const loginKey = oneOf(['redirect', 'decoupled']).prefault('redirect').meta({
  description:
    'How users sign in: `redirect`, in this browser, or `decoupled`, also on another device, for which the client must be registered.',
  details: 'On an OpenID provider, `decoupled` is OpenID CIBA in poll mode.',
  see: '[`POST /auth/decoupled`](endpoints.md#post-authdecoupled)',
});

export const bindingMessageKey = bindingMessageSource().prefault('generated').meta({
  description:
    'The text by which users recognise a decoupled sign-in on their other device: `generated` by the gateway, for the page to show; `none`; or a regular expression, from `^` to `$`, for a text that the page sends.',
  details: 'Anybody can start a sign-in, so keep a pattern too narrow for words: `^[A-Z0-9]{4,8}$`.',
  see: '[`POST /auth/decoupled`](endpoints.md#post-authdecoupled)',
});

export const authorizationParamsKey = z
  .record(
    parameterName(),
    z
      .string('expected a string; put quotes around a number')
      .meta({ description: 'The value of the parameter.' }),
    'expected a mapping of parameter names to values',
  )
  .prefault({})
  .meta({
    description:
      'Fixed parameters of the authorization request, such as `access_type: offline`, `prompt: consent` or `audience: https://api.example.com`.',
    details:
      'The ID token must meet the `max_age` and `acr_values` that they ask for. Parameters of the protocol, such as `state`, cannot be set.',
    secret: true,
  });

/** Text that can be sent in a header field or form: a NUL or a second line break comes from a wrong file. */
const printable = (what: string) => {
  const expected = `expected ${what}, without control characters`;
  return text(expected).refine((value) => !/\p{Cc}/u.test(value), expected);
};

/** How the gateway proves to a token server that it is the client. {@link clientCredentialRules} go with them. */
export const clientKeys = {
  clientId: printable('the client identifier issued by the provider').meta({
    description: 'The client identifier registered at the provider.',
    example: 'web',
  }),
  clientAuthentication: oneOf([
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    'none',
  ])
    .prefault('client_secret_basic')
    .meta({
      description:
        'How the gateway authenticates at the provider: `client_secret_basic`, `client_secret_post`, `private_key_jwt`, `tls_client_auth` or `self_signed_tls_client_auth` (both with the client certificate of `provider.tls`), or `none` for a public client, which PKCE alone protects.',
    }),
  clientSecret: printable('the client secret').exactOptional().meta({
    description: 'The client secret. `client_secret_basic` and `client_secret_post` require it.',
    details: 'In production, take it from a file: `${file:/run/secrets/client}`.',
    example: '${CLIENT_SECRET}',
    setInReference: true,
    secret: true,
  }),
  privateKey: privateKey().exactOptional().meta({
    description:
      'The private key for `private_key_jwt`, not encrypted: PKCS#8 in PEM, or a JWK; by default the first of `keys`.',
    see: '[Client keys](#client-keys)',
    example: '${file:/run/secrets/client-key}',
    secret: true,
  }),
  keyId: text('expected the key identifier registered at the provider').exactOptional().meta({
    description: 'The `kid` sent with `private_key_jwt`; by default that of the JWK, or none.',
    example: 'key-1',
  }),
  signingAlg: oneOf(signingAlgorithms).exactOptional().meta({
    description: 'The algorithm of the assertion of `private_key_jwt`; by default that of the key.',
    see: '[Client keys](#client-keys)',
    example: 'PS256',
  }),
  rejectionErrors: z
    .array(text('expected an OAuth error code'), 'expected a list of OAuth error codes')
    .prefault(['invalid_grant'])
    .meta({
      description:
        'The error codes of a refresh that end the session. Add `invalid_request` for Dex, which returns it for a refresh token that is no longer valid.',
    }),
  assertionAudience: oneOf(['issuer', 'token_endpoint']).exactOptional().meta({
    description:
      'The audience of the assertion of `private_key_jwt`: `issuer`, the default, or `token_endpoint`, which some providers still require.',
    example: 'issuer',
  }),
};

/** How the gateway proves to a token server that it is the client. */
export type ClientConfig = z.output<z.ZodObject<typeof clientKeys>> & { readonly tls: ClientTls };

const assertionKeys = ['privateKey', 'keyId', 'signingAlg', 'assertionAudience'] as const;
const secretKeys = { required: ['clientSecret'], unused: assertionKeys } as const;
const otherKeys = { required: [], unused: ['clientSecret', ...assertionKeys] } as const;

const credentialKeys = {
  client_secret_basic: secretKeys,
  client_secret_post: secretKeys,
  private_key_jwt: { required: [], unused: ['clientSecret'] },
  tls_client_auth: otherKeys,
  self_signed_tls_client_auth: otherKeys,
  none: otherKeys,
} as const;

/** Each client authentication method requires its keys and rejects keys that it does not use. */
export function* clientCredentialRules(
  section: ClientConfig,
  isValid: IsValid,
  others: OtherKeys,
): Iterable<ConfigIssue> {
  if (!isValid('clientAuthentication')) return;
  const method = section.clientAuthentication;
  const { required, unused } = credentialKeys[method];
  const missing = `missing or empty; provider.clientAuthentication ${method} requires it`;
  for (const key of required) {
    if (isValid(key) && section[key] === undefined) yield { path: [key], message: missing };
  }
  for (const key of unused) {
    if (!isValid(key) || section[key] === undefined) continue;
    const message = `provider.clientAuthentication ${method} does not use it; remove it`;
    yield { path: [key], message };
  }
  if (method === 'private_key_jwt' && isValid('privateKey')) yield* assertionRules(section, isValid, others);
  if (isTlsMethod(method) && isValid('tls') && section.tls.certificate === undefined)
    yield { path: ['tls', 'certificate'], message: missing };
}

/** The key of `private_key_jwt` is `privateKey` or the first of `keys`, and can sign with `signingAlg`. */
function* assertionRules(
  { privateKey: own, keyId, signingAlg }: ClientConfig,
  isValid: IsValid,
  { signingKey }: OtherKeys,
): Iterable<ConfigIssue> {
  const ownPath = 'provider.privateKey';
  const key = own === undefined ? signingKey : { ...own, path: ownPath };
  if (key === 'invalid') return;
  if (key === undefined) {
    const message = 'missing or empty; provider.clientAuthentication private_key_jwt requires it, or keys';
    yield { path: ['privateKey'], message };
    return;
  }
  if (own === undefined && isValid('keyId') && keyId !== undefined)
    yield { path: ['keyId'], message: `provider.privateKey is not set; use ${key.path}.keyId` };
  if (isValid('signingAlg') && signingAlg !== undefined && !key.algorithms.includes(signingAlg)) {
    const message = `expected one of ${key.algorithms.join(', ')}, which ${key.path} can sign`;
    yield { path: ['signingAlg'], message };
  }
}

/** True for client authentication by a client certificate (RFC 8705, section 2). */
export function isTlsMethod(method: ClientConfig['clientAuthentication']): boolean {
  return method === 'tls_client_auth' || method === 'self_signed_tls_client_auth';
}
