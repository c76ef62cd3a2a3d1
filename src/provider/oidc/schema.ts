import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/section.ts';
import { logoutUrl } from '../../config/values/logout-url.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { exactUrl } from '../../config/values/url.ts';
import { authorizationParamsKey, clientKeys, loginKey, scopeToken } from '../client/keys.ts';

/** The `provider` section of an OpenID provider with discovery. */
export const oidcSchema = section({
  type: z.literal('oidc', 'expected oidc').describe('The kind of provider: oidc, found by OpenID discovery.'),
  issuer: exactUrl('expected the http(s) URL of the issuer, without query, fragment or credentials').describe(
    'The issuer identifier, letter for letter as the provider publishes it.',
  ),
  login: loginKey,
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .refine((scopes) => scopes.includes('openid'), 'expected a list of scopes that includes openid')
    .prefault(['openid', 'profile', 'email', 'offline_access'])
    .describe(
      'The scopes asked for at login; openid must be among them, offline_access asks for a refresh token.',
    ),
  authorizationParams: authorizationParamsKey,
  logoutUrl: logoutUrl()
    .exactOptional()
    .describe(
      "Where logout leads in place of the provider's end_session_endpoint; {clientId} and {returnTo} are filled in.",
    ),
  logoutTokens: oneOf(['strict', 'lenient'])
    .prefault('strict')
    .describe(
      'How logout tokens are checked: lenient takes those without the type logout+jwt, and without exp, from older providers.',
    ),
  ...commonProviderKeys,
}).describe('The OpenID provider people sign in with.');

export type OidcProviderConfig = z.output<typeof oidcSchema>;
