import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/section.ts';
import { jsonPointer } from '../../config/values/json-pointer.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { endpointUrl } from '../../config/values/url.ts';
import { authorizationParamsKey, clientKeys, loginKey, scopeToken } from '../client/keys.ts';

/** The `provider` section of a plain OAuth 2.0 server. Rules between its keys are in `rules.ts`. */
export const oauth2Schema = section({
  type: z.literal('oauth2', 'expected oauth2').describe('The kind of provider: oauth2.'),
  login: loginKey,
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
  authorizationParams: authorizationParamsKey,
  ...commonProviderKeys,
}).describe('A plain OAuth 2.0 server, without discovery or ID tokens.');

export type OAuth2ProviderConfig = z.output<typeof oauth2Schema>;
