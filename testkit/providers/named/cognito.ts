import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

const SCOPES = /^(?:openid|email|phone|profile|aws\.cognito\.signin\.user\.admin|[^/\s]+\/[^/\s]+)$/;

/**
 * Amazon Cognito: rejects `offline_access`; returns a refresh token with each code and none at a refresh; its logout page
 * requires `client_id` and `logout_uri`. With `announcesLogout` the discovery document names it as `end_session_endpoint`
 * nevertheless, as since 2024.
 */
export function startCognito(clock?: () => number, { announcesLogout = false } = {}) {
  return startReadyFake(
    'cognito',
    {
      ...(clock && { clock }),
      issuerPath: '/eu-west-1_AbCdEfGhI',
      paths: {
        authorize: '/oauth2/authorize',
        token: '/oauth2/token',
        revoke: '/oauth2/revoke',
        userinfo: '/oauth2/userInfo',
        end_session: '/logout',
      },
      metadata: {
        ...(!announcesLogout && { end_session_endpoint: undefined }),
        authorization_response_iss_parameter_supported: undefined,
        code_challenge_methods_supported: undefined,
        grant_types_supported: undefined,
        scopes_supported: ['openid', 'email', 'phone', 'profile'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      },
      rotate: 'off',
      accessTokenLifetime: 3600,
      idTokenLifetime: 3600,
      checkAuthorization: ({ scope = '' }) => {
        if (!scope.split(' ').every((name) => SCOPES.test(name))) {
          throw new ProtocolError('invalid_request', 'invalid_scope');
        }
      },
      patchAuthorizationResponse: withoutIssuer,
      endSession: ({ client_id: id, logout_uri: logoutUri }, client) => {
        if (logoutUri === undefined) {
          throw new ProtocolError(
            'invalid_request',
            "Required String parameter 'redirect_uri' is not present",
          );
        }
        if (id !== client.id) throw new ProtocolError('invalid_request', 'Client does not exist');
        if (client.postLogoutRedirectUris.includes(logoutUri)) return logoutUri;
        throw new ProtocolError('invalid_request', 'Invalid logout_uri');
      },
    },
    ({ issuer }) => ({ COGNITO_DOMAIN: issuer }),
  );
}
