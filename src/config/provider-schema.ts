import { z } from 'zod';
import { oneOf, shaped, text } from './scalar.ts';
import { section } from './section.ts';
import { exactUrl } from './url.ts';

/** Parameters of the authorization request that carry the protocol, and that the gateway alone writes. */
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

const scopeToken = () =>
  shaped(/^[!#-[\]-~]+$/, 'expected a scope without spaces or quotes (RFC 6749 section 3.3)');

const parameterName = () =>
  text('expected the name of a parameter').refine(
    (name) => !reservedParameters.includes(name),
    'the gateway writes this parameter itself; it cannot be set',
  );

/** An OpenID provider with discovery (OpenID Connect Discovery 1.0). */
export const oidcProviderSchema = section({
  type: z.literal('oidc', 'expected oidc').describe('The kind of provider: oidc, found by OpenID discovery.'),
  issuer: exactUrl('expected the http(s) URL of the issuer, without query, fragment or credentials').describe(
    'The issuer identifier, letter for letter as the provider publishes it.',
  ),
  clientId: text('expected the client identifier the provider issued').describe(
    'The client identifier registered at the provider.',
  ),
  clientSecret: text(
    'expected the client secret, which client_secret_basic and client_secret_post need',
  ).describe('The client secret registered at the provider. A secret: take it from a file or a variable.'),
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .refine((scopes) => scopes.includes('openid'), 'expected a list of scopes that includes openid')
    .prefault(['openid', 'profile', 'email', 'offline_access'])
    .describe(
      'The scopes asked for at login; openid must be among them, offline_access asks for a refresh token.',
    ),
  clientAuthentication: oneOf(['client_secret_basic', 'client_secret_post'])
    .prefault('client_secret_basic')
    .describe('How the gateway proves itself at the token endpoint (OpenID Connect Core 1.0 section 9).'),
  authorizationParams: z
    .record(
      parameterName(),
      z.string('expected text; put quotes around a number').describe('The value of the parameter.'),
      'expected a mapping of parameter names to values',
    )
    .prefault({})
    .describe('Fixed parameters added to the authorization request, such as access_type: offline.'),
}).describe('The OpenID provider people sign in with.');
