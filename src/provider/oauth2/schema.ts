import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/declaration/section.ts';
import { jsonPointer } from '../../config/values/json-pointer.ts';
import { oneOf, text } from '../../config/values/scalar.ts';
import { endpointUrl } from '../../config/values/url.ts';
import {
  authorizationParamsKey,
  bindingMessageKey,
  clientKeys,
  loginKey,
  scopeToken,
} from '../client/keys.ts';

/** The errors of a poll that have a meaning of their own (OpenID CIBA Core 1.0, section 11). */
const pollErrors = ['authorization_pending', 'slow_down', 'access_denied', 'expired_token'] as const;

/** The `provider` section of a plain OAuth 2.0 server. Rules between its keys are in `rules.ts`. */
export const oauth2Schema = section({
  type: z.literal('oauth2', 'expected oauth2').meta({
    description: '`oauth2`: an OAuth 2.0 server without discovery or ID tokens.',
  }),
  login: loginKey,
  bindingMessage: bindingMessageKey,
  authorizationEndpoint: endpointUrl().exactOptional().meta({
    description:
      'Where users sign in by redirect. Required, with `provider.tokenEndpoint`, unless `provider.login` is `decoupled`.',
    example: 'https://login.example.com/authorize',
  }),
  tokenEndpoint: endpointUrl().exactOptional().meta({
    description: 'Where codes and refresh tokens are exchanged (RFC 6749, section 3.2).',
    example: 'https://login.example.com/token',
  }),
  decoupledEndpoint: endpointUrl().exactOptional().meta({
    description:
      'Where a decoupled sign-in starts. Only with `provider.login: decoupled`, and then required.',
    see: '[A bank](providers.md#a-bank-with-two-ways-to-sign-in)',
    example: 'https://login.example.com/decoupled',
  }),
  decoupledTokenEndpoint: endpointUrl().exactOptional().meta({
    description:
      'Where a decoupled sign-in, and the refresh tokens it yields, are exchanged. Required with `provider.login: decoupled`.',
    example: 'https://login.example.com/decoupled/token',
  }),
  pollErrors: z
    .record(text('expected an error code'), oneOf(pollErrors), 'expected a mapping of error codes')
    .prefault({})
    .meta({
      description:
        'Error codes of `provider.decoupledTokenEndpoint` and what they mean while a user has not approved yet: `authorization_pending`, `slow_down`, `access_denied` or `expired_token` (OpenID CIBA). Codes with these names need no entry.',
      example: { user_action_pending: 'authorization_pending' },
    }),
  revocationEndpoint: endpointUrl().exactOptional().meta({
    description:
      'Where refresh tokens are revoked at sign-out (RFC 7009). Without it, they stay valid until they expire.',
    example: 'https://login.example.com/revoke',
  }),
  userinfoEndpoint: endpointUrl().exactOptional().meta({
    description:
      'Where the gateway learns who signed in. It calls this endpoint once, at sign-in, with the access token; the response holds the claims.',
    example: 'https://login.example.com/me',
  }),
  subject: jsonPointer().exactOptional().meta({
    description:
      'A JSON Pointer (RFC 6901) to the identifier of the user in the response of `provider.userinfoEndpoint`; by default `/sub`. Without that endpoint the key is required, and points into the token response.',
    details: 'The identifier is a text or a whole number.',
    example: '/sub',
  }),
  requestFormat: oneOf(['form', 'json']).prefault('form').meta({
    description: 'How parameters are sent to the provider: `form`, as in the standard, or `json`.',
  }),
  ...clientKeys,
  scopes: z
    .array(scopeToken(), 'expected a list of scopes')
    .prefault([])
    .meta({ description: 'The scopes requested at sign-in.' }),
  authorizationParams: authorizationParamsKey,
  ...commonProviderKeys,
}).meta({ description: 'An OAuth 2.0 server without discovery or ID tokens.' });

export type OAuth2ProviderConfig = z.output<typeof oauth2Schema>;
