import { z } from 'zod';
import { logoutUrl } from '../values/logout-url.ts';
import { privateKey } from '../values/private-key.ts';
import { oneOf, shaped, text } from '../values/scalar.ts';
import { section } from './section.ts';
import { exactUrl } from '../values/url.ts';

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

/** One scope. */
export const scopeToken = () =>
  shaped(/^[!#-[\]-~]+$/, 'expected a scope without spaces or quotes (RFC 6749 section 3.3)');

const parameterName = () =>
  text('expected a parameter name').refine(
    (name) => !reservedParameters.includes(name),
    'the gateway sets this parameter itself; it cannot be overridden',
  );

/** How people sign in with a provider that can have them approve on another device. */
export const loginWay = () =>
  oneOf(['redirect', 'decoupled'])
    .prefault('redirect')
    .describe(
      'How people sign in: redirect, in this browser; decoupled, also on another device (POST /auth/decoupled).',
    );

/** How the gateway proves to a token server that it is the client. Which keys go together is in `rules.ts`. */
export const clientKeys = {
  clientId: text('expected the client identifier issued by the provider').describe(
    'The client identifier registered at the provider.',
  ),
  clientAuthentication: oneOf(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .prefault('client_secret_basic')
    .describe('How the gateway authenticates at the token endpoint (OpenID Connect Core 1.0 section 9).'),
  clientSecret: text('expected the client secret')
    .exactOptional()
    .describe(
      'The client secret, for client_secret_basic and client_secret_post. A secret: use ${file:…} or a variable.',
    ),
  privateKey: privateKey()
    .exactOptional()
    .describe(
      'The private key that private_key_jwt signs with: PKCS#8 in PEM, or a JWK. A secret: use ${file:…}.',
    ),
  keyId: text('expected the key identifier registered at the provider')
    .exactOptional()
    .describe("The kid sent with private_key_jwt; by default the JWK's own, or none."),
  rejectionErrors: z
    .array(text('expected an OAuth error code'), 'expected a list of OAuth error codes')
    .prefault(['invalid_grant'])
    .describe(
      'The error codes of a refresh that mean that the session is over. Dex returns invalid_request for a dead refresh token.',
    ),
  assertionAudience: oneOf(['issuer', 'token_endpoint'])
    .exactOptional()
    .describe('The audience of the private_key_jwt assertion; default issuer.'),
};

/** An OpenID provider with discovery (OpenID Connect Discovery 1.0). */
export const oidcProviderSchema = section({
  type: z.literal('oidc', 'expected oidc').describe('The provider type: oidc, with OpenID discovery.'),
  issuer: exactUrl('expected the http(s) URL of the issuer, without query, fragment or credentials').describe(
    'The issuer identifier, exactly as the provider publishes it.',
  ),
  login: loginWay(),
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .refine((scopes) => scopes.includes('openid'), 'expected a list of scopes that includes openid')
    .prefault(['openid', 'profile', 'email', 'offline_access'])
    .describe(
      'The scopes requested at login. They must include openid; offline_access requests a refresh token.',
    ),
  authorizationParams: z
    .record(
      parameterName(),
      z.string('expected a string; put quotes around a number').describe('The value of the parameter.'),
      'expected a mapping of parameter names to values',
    )
    .prefault({})
    .describe('Fixed parameters added to the authorization request, such as access_type: offline.'),
  logoutUrl: logoutUrl()
    .exactOptional()
    .describe(
      "The logout URL to use instead of the provider's end_session_endpoint; {clientId} and {returnTo} are replaced.",
    ),
  logoutTokens: oneOf(['strict', 'lenient'])
    .prefault('strict')
    .describe(
      'How logout tokens are checked: lenient accepts tokens of older providers, without the type logout+jwt or without exp.',
    ),
}).describe('The OpenID provider people sign in with.');
