import { z } from 'zod';
import { jsonPointer } from '../values/json-pointer.ts';
import { clientKeys, loginWay, oidcProviderSchema, scopeToken } from './oidc.ts';
import { oneOf } from '../values/scalar.ts';
import { section } from './section.ts';
import { endpointUrl } from '../values/url.ts';

/** A plain OAuth 2.0 server, without discovery or ID tokens. Which keys go together is in `provider-rules.ts`. */
export const oauth2ProviderSchema = section({
  type: z.literal('oauth2', 'expected oauth2').describe('The provider type: oauth2.'),
  login: loginWay(),
  authorizationEndpoint: endpointUrl()
    .exactOptional()
    .describe('The authorization endpoint (RFC 6749, section 3.1).'),
  tokenEndpoint: endpointUrl().exactOptional().describe('The token endpoint (RFC 6749, section 3.2).'),
  decoupledEndpoint: endpointUrl()
    .exactOptional()
    .describe('The endpoint that starts a sign-in on another device, for login: decoupled.'),
  decoupledTokenEndpoint: endpointUrl()
    .exactOptional()
    .describe('The token endpoint for such sign-ins and their refresh tokens.'),
  revocationEndpoint: endpointUrl()
    .exactOptional()
    .describe(
      'The revocation endpoint (RFC 7009), used at sign-out. Without it, refresh tokens are not revoked.',
    ),
  userinfoEndpoint: endpointUrl()
    .exactOptional()
    .describe('The userinfo endpoint, called with the access token. Its response is the claims.'),
  subject: jsonPointer()
    .exactOptional()
    .describe(
      'JSON Pointer to the subject: in the response of userinfoEndpoint (default /sub) or, without that endpoint, in the token response.',
    ),
  requestFormat: oneOf(['form', 'json'])
    .prefault('form')
    .describe('The body format of requests to the provider; form is the standard.'),
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .prefault([])
    .describe('The scopes requested at login.'),
  authorizationParams: oidcProviderSchema.shape.authorizationParams,
}).describe('A plain OAuth 2.0 server, without discovery or ID tokens.');
