import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/declaration/section.ts';
import { logoutUrl } from '../../config/values/logout-url.ts';
import { flag, oneOf, text } from '../../config/values/scalar.ts';
import { signingAlgorithms } from '../../config/values/secrets/private-key.ts';
import { endpointUrl, exactUrl } from '../../config/values/url.ts';
import { authorizationKeys } from '../authorization/keys.ts';
import {
  authorizationParamsKey,
  bindingMessageKey,
  clientKeys,
  loginKey,
  scopeToken,
} from '../client/keys.ts';

const endpoint = (description: string, path: string) =>
  endpointUrl()
    .exactOptional()
    .meta({ description, example: `https://login.example.com/${path}` });

/** The endpoints that can be configured. */
const endpointKeys = {
  authorization: endpoint('Where browsers sign in.', 'authorize'),
  token: endpoint('Where the gateway exchanges codes and refresh tokens.', 'token'),
  jwks: endpoint("Where the gateway reads the provider's keys.", 'jwks'),
  userinfo: endpoint('Where the gateway reads claims.', 'userinfo'),
  endSession: endpoint('Where browsers sign out.', 'logout'),
  revocation: endpoint('Where the gateway revokes refresh tokens.', 'revoke'),
};

/** The `provider` section of an OpenID provider with discovery. */
export const oidcSchema = section({
  type: z
    .literal('oidc', 'expected oidc')
    .meta({ description: '`oidc`: an OpenID provider with discovery.' }),
  issuer: exactUrl('expected the http(s) URL of the issuer, without query, fragment or credentials').meta({
    description:
      'The issuer identifier, exactly as the provider publishes it; a final slash counts. `https`, or `http` on a loopback host.',
    example: 'https://login.example.com/realms/acme',
  }),
  discoveryUrl: endpointUrl().exactOptional().meta({
    description:
      "Where the provider's metadata is read when that is not below `provider.issuer`. The issuer in it must still be `provider.issuer`.",
    details:
      'Use it when the gateway reaches the provider under another name than browsers do. With an `http` URL, the endpoints that only the gateway calls may be `http` as well.',
    see: '[Keycloak in compose](operations.md#name-the-provider-twice-keycloak-in-compose)',
    example: 'http://keycloak:8080/realms/acme/.well-known/openid-configuration',
  }),
  endpoints: section(endpointKeys).prefault({}).meta({
    description:
      'Endpoints that take the place of those in the metadata. With all six, the metadata is not read.',
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
  ...authorizationKeys,
  logoutUrl: logoutUrl().exactOptional().meta({
    description:
      "Where a sign-out leads instead of the provider's `end_session_endpoint`, with the placeholders `{clientId}` and `{returnTo}`.",
    details: 'The values are percent-encoded; `{returnTo}` is `login.postLogoutReturnTo` as an absolute URL.',
    example: 'https://login.example.com/logout?client_id={clientId}&logout_uri={returnTo}',
  }),
  userinfo: oneOf(['auto', 'login', 'never']).prefault('auto').meta({
    description:
      'When the userinfo endpoint is called: `auto`, at a sign-in whose ID token lacks one of `session.claims`; `login`, at every sign-in; or `never`.',
    details:
      'The userinfo response adds the claims that the ID token lacks. Its `sub` must be that of the ID token. With `auto`, a failure is logged and the sign-in succeeds; with `login`, it fails.',
  }),
  audiences: z.array(text('expected an audience'), 'expected a list of audiences').prefault([]).meta({
    description: 'Audiences that ID and logout tokens may have besides `provider.clientId`.',
  }),
  idTokenSignedResponseAlg: oneOf(signingAlgorithms).exactOptional().meta({
    description:
      'The signing algorithm of ID tokens that the client is registered for at the provider. The gateway rejects ID and logout tokens with any other. Without this key, it accepts every asymmetric algorithm that the provider announces.',
    example: 'RS256',
  }),
  dpop: flag().prefault(false).meta({
    description:
      'Whether access tokens are bound to a key of their session (DPoP, RFC 9449), so that a stolen one is useless. The provider and the APIs must support it.',
    details:
      'It applies from the next sign-in on. A provider that then issues bearer tokens is not used: the sign-in fails.',
    see: '[DPoP](dpop.md)',
  }),
  logoutTokens: oneOf(['standard', 'strict', 'lenient']).prefault('standard').meta({
    description:
      'How logout tokens are checked: `standard`; `strict`, only with the type `logout+jwt`; or `lenient` for older providers, also without `exp`.',
    details:
      '`standard` and `lenient` accept the type `logout+jwt`, the type `JWT` and no type. A token without `exp` is accepted for ten minutes.',
    see: '[`POST /auth/backchannel-logout`](endpoints.md#post-authbackchannel-logout)',
  }),
  ...commonProviderKeys,
}).meta({ description: 'An OpenID provider with discovery.' });

export type OidcProviderConfig = z.output<typeof oidcSchema>;
