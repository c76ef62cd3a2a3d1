import { z } from 'zod';
import { jsonPointer } from '../values/json-pointer.ts';
import { clientKeys, loginWay, oidcProviderSchema, scopeToken } from './oidc.ts';
import { oneOf } from '../values/scalar.ts';
import { section } from './section.ts';
import { endpointUrl } from '../values/url.ts';

/** A plain OAuth 2.0 server, without discovery or ID tokens. Which keys go together is in `provider-rules.ts`. */
export const oauth2ProviderSchema = section({
  type: z.literal('oauth2', 'expected oauth2').describe('The kind of provider: oauth2.'),
  login: loginWay(),
  authorizationEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where people sign in by redirect (RFC 6749, section 3.1).'),
  tokenEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where codes and refresh tokens are exchanged (RFC 6749, section 3.2).'),
  decoupledEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where a sign-in on another device begins, for login: decoupled.'),
  decoupledTokenEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where such a sign-in, and the refresh tokens that come of it, are exchanged.'),
  revocationEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where refresh tokens are revoked at sign-out (RFC 7009). Without it they are not.'),
  userinfoEndpoint: endpointUrl()
    .exactOptional()
    .describe('Where it says who signed in, for the access token. What it answers are the claims.'),
  subject: jsonPointer()
    .exactOptional()
    .describe(
      'Where it says who signed in: in the answer of userinfoEndpoint (by default /sub), or without one in the token answer.',
    ),
  requestFormat: oneOf(['form', 'json'])
    .prefault('form')
    .describe('How parameters are sent to the provider: form is the standard.'),
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .prefault([])
    .describe('The scopes asked for at login.'),
  authorizationParams: oidcProviderSchema.shape.authorizationParams,
}).describe('A plain OAuth 2.0 server, without discovery or ID tokens.');
