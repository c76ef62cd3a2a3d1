import { SignJWT } from 'jose';
import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake } from './ready-fake.ts';

/** Keycloak's "SSO Session Idle", in seconds. */
export const SSO_IDLE = 1800;

/**
 * Keycloak: refresh tokens that are JWTs, a new one at each use, with the remaining session time in `refresh_expires_in`. By
 * default the old one stays valid; with `revokes` ("Revoke Refresh Token" and a reuse of 0) it is spent, and its reuse ends
 * the client's session, its successors included.
 */
export function startKeycloak(clock?: () => number, { revokes = false } = {}) {
  const key = new TextEncoder().encode(
    'the key that Keycloak signs refresh tokens with, and that nobody knows',
  );
  return startReadyFake('keycloak', {
    ...(clock && { clock }),
    issuerPath: '/realms/acme',
    paths: {
      authorize: '/protocol/openid-connect/auth',
      token: '/protocol/openid-connect/token',
      revoke: '/protocol/openid-connect/revoke',
      jwks: '/protocol/openid-connect/certs',
      end_session: '/protocol/openid-connect/logout',
    },
    metadata: {
      token_endpoint_auth_methods_supported: [
        'private_key_jwt',
        'client_secret_basic',
        'client_secret_post',
        'tls_client_auth',
        'client_secret_jwt',
      ],
    },
    rotate: revokes ? 'strict' : 'new',
    accessTokenLifetime: 300,
    idTokenLifetime: 300,
    shapeRefreshToken: (jti, { sid }) =>
      new SignJWT({ typ: 'Refresh', jti, sid }).setProtectedHeader({ alg: 'HS512', typ: 'JWT' }).sign(key),
    patchTokenResponse: (response) => ({
      ...response,
      refresh_expires_in: String(response['scope']).includes('offline_access') ? 0 : SSO_IDLE,
      'not-before-policy': 0,
    }),
    patchRefusal: (refusal) => {
      if (refusal.error !== 'invalid_grant') return refusal;
      const isReuse = refusal.message.includes('used before');
      return new ProtocolError(
        'invalid_grant',
        isReuse ? 'Maximum allowed refresh token reuse exceeded' : "Session doesn't have required client",
      );
    },
  });
}
