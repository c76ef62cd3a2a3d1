import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

/** Okta's grace period for the rotation of refresh tokens, in milliseconds. */
export const GRACE_MS = 30_000;

/**
 * Okta: rotation with a grace period, after which reuse ends the grant with all its access tokens; a refresh token only for
 * `offline_access`; a logout endpoint that requires the ID token.
 */
export function startOkta(clock?: () => number) {
  return startReadyFake('okta', {
    ...(clock && { clock }),
    issuerPath: '/oauth2/default',
    paths: {
      authorize: '/v1/authorize',
      token: '/v1/token',
      revoke: '/v1/revoke',
      end_session: '/v1/logout',
    },
    metadata: {
      authorization_response_iss_parameter_supported: undefined,
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'client_secret_jwt',
        'private_key_jwt',
        'none',
      ],
    },
    rotate: 'grace',
    graceMs: GRACE_MS,
    accessTokenLifetime: 3600,
    idTokenLifetime: 3600,
    givesRefreshToken: (_grant, scopes) => scopes.includes('offline_access'),
    patchAuthorizationResponse: withoutIssuer,
    patchRefusal: (refusal) =>
      refusal.error === 'invalid_grant'
        ? new ProtocolError('invalid_grant', 'The refresh token is invalid or expired.')
        : refusal,
    endSession: ({ id_token_hint: hint, post_logout_redirect_uri: returnTo = '' }, client) => {
      if (hint === undefined) throw new ProtocolError('invalid_request', "The 'id_token_hint' is missing.");
      if (client.postLogoutRedirectUris.includes(returnTo)) return returnTo;
      throw new ProtocolError('invalid_request', "The 'post_logout_redirect_uri' is not registered.");
    },
  });
}
