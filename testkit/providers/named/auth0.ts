import { decodeJwt } from 'jose';
import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

const AUDIENCE = 'https://api.example.test';

/** The overlap period of the rotation, in milliseconds. */
export const OVERLAP_MS = 10_000;

/**
 * Auth0: an issuer with a final slash; access tokens for its own userinfo endpoint unless `audience` names a known API;
 * rotation with an overlap period in which the latest spent token stays valid and after which its use ends the grant;
 * access tokens outlive the grant; `invalid_grant` comes with status 403.
 */
export async function startAuth0(clock?: () => number) {
  const fake = await startReadyFake(
    'auth0',
    {
      ...(clock && { clock }),
      client: { authentication: 'client_secret_post' },
      issuerPath: '/',
      paths: { token: '/oauth/token', revoke: '/oauth/revoke', end_session: '/oidc/logout' },
      metadata: {
        authorization_response_iss_parameter_supported: undefined,
        token_endpoint_auth_methods_supported: [
          'client_secret_basic',
          'client_secret_post',
          'private_key_jwt',
        ],
      },
      rotate: 'grace',
      graceMs: OVERLAP_MS,
      accessTokenLifetime: 86_400,
      idTokenLifetime: 36_000,
      accessTokens: 'outlive',
      checkAuthorization: ({ audience }) => {
        if (audience !== undefined && audience !== AUDIENCE) {
          throw new ProtocolError('access_denied', `Service not found: ${audience}`);
        }
      },
      audienceOf: ({ parameters }) => parameters['audience'] ?? 'https://userinfo.example.test',
      givesRefreshToken: ({ parameters }, scopes) =>
        parameters['audience'] !== undefined && scopes.includes('offline_access'),
      patchAuthorizationResponse: withoutIssuer,
      patchRefusal: (refusal) =>
        refusal.error === 'invalid_grant'
          ? new ProtocolError('invalid_grant', 'Unknown or invalid refresh token.', 403)
          : refusal,
    },
    () => ({ AUDIENCE }),
  );
  const { isAccessTokenActive } = fake;
  return Object.assign(fake, {
    isAccessTokenActive: (token: string) => isAccessTokenActive(token) && decodeJwt(token).aud === AUDIENCE,
  });
}
