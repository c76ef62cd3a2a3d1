import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

/**
 * Ory Hydra: a refresh token only with `offline_access`; a used one that comes back ends the grant; `post_logout_redirect_uri` only
 * with `id_token_hint`. Its logout tokens have no `exp`, and it may sign the ID token of a refresh with a new key under the
 * old `kid`: tests do these two with `sign` and `signWith`.
 */
export function startHydra(clock?: () => number) {
  return startReadyFake('hydra', {
    ...(clock && { clock }),
    issuerPath: '/',
    paths: {
      authorize: '/oauth2/auth',
      token: '/oauth2/token',
      revoke: '/oauth2/revoke',
      jwks: '/.well-known/jwks.json',
      end_session: '/oauth2/sessions/logout',
    },
    metadata: {
      authorization_response_iss_parameter_supported: undefined,
      token_endpoint_auth_methods_supported: [
        'client_secret_post',
        'client_secret_basic',
        'private_key_jwt',
        'none',
      ],
    },
    rotate: 'strict',
    accessTokenLifetime: 3_599,
    idTokenLifetime: 3_600,
    givesRefreshToken: (_grant, scopes) => scopes.includes('offline_access'),
    patchAuthorizationResponse: withoutIssuer,
    endSession: ({ id_token_hint: hint, post_logout_redirect_uri: returnTo }, { postLogoutRedirectUris }) => {
      if (returnTo !== undefined && hint === undefined) {
        throw new ProtocolError(
          'invalid_request',
          'Logout failed because query parameter post_logout_redirect_uri is set but id_token_hint is missing.',
        );
      }
      if (returnTo === undefined || !postLogoutRedirectUris.includes(returnTo))
        throw new ProtocolError('invalid_request', 'post_logout_redirect_uri is not registered');
      return returnTo;
    },
    patchRefusal: (refusal) =>
      refusal.error === 'invalid_grant'
        ? new ProtocolError('invalid_grant', 'The provided authorization grant or refresh token is invalid.')
        : refusal,
  });
}
