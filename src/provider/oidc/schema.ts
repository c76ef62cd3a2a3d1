import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/section.ts';
import { logoutUrl } from '../../config/values/logout-url.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { exactUrl } from '../../config/values/url.ts';
import {
  authorizationParamsKey,
  bindingMessageKey,
  clientKeys,
  loginKey,
  scopeToken,
} from '../client/keys.ts';

/** The `provider` section of an OpenID provider with discovery. */
export const oidcSchema = section({
  type: z
    .literal('oidc', 'expected oidc')
    .meta({ description: '`oidc`: an OpenID provider with discovery.' }),
  issuer: exactUrl('expected the http(s) URL of the issuer, without query, fragment or credentials').meta({
    description: 'The issuer identifier, exactly as the provider publishes it; a final slash counts.',
    example: 'https://login.example.com/realms/acme',
  }),
  login: loginKey,
  bindingMessage: bindingMessageKey,
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .refine((scopes) => scopes.includes('openid'), 'expected a list of scopes that includes openid')
    .prefault(['openid', 'profile', 'email', 'offline_access'])
    .meta({
      description:
        'The scopes requested at sign-in. They must include `openid`; most providers issue a refresh token only with `offline_access`.',
    }),
  authorizationParams: authorizationParamsKey,
  logoutUrl: logoutUrl().exactOptional().meta({
    description:
      "Where a sign-out leads instead of the provider's `end_session_endpoint`, with the placeholders `{clientId}` and `{returnTo}`.",
    details: 'The values are percent-encoded; `{returnTo}` is `login.postLogoutReturnTo` as an absolute URL.',
    example: 'https://login.example.com/logout?client_id={clientId}&logout_uri={returnTo}',
  }),
  logoutTokens: oneOf(['strict', 'lenient']).prefault('strict').meta({
    description:
      'How logout tokens are checked: `strict`, or `lenient` for older providers, whose tokens have no type `logout+jwt` or no `exp`.',
    details:
      '`lenient` also accepts tokens of type `JWT` or without a type, and accepts tokens without `exp` for ten minutes.',
    see: '[`POST /auth/backchannel-logout`](endpoints.md#post-authbackchannel-logout)',
  }),
  ...commonProviderKeys,
}).meta({ description: 'An OpenID provider with discovery.' });

export type OidcProviderConfig = z.output<typeof oidcSchema>;
