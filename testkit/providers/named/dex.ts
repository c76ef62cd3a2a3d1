import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

/** Dex's `expiry.idTokens`, in seconds: access tokens are ID tokens. */
export const DEX_LIFETIME = 600;

/**
 * Dex: 400 `invalid_request` for a refresh token that is used, expired or deleted; one refresh token for each user and client, so
 * that a second sign-in deletes the first one's; no revocation endpoint and no logout endpoint.
 */
export async function startDex(clock?: () => number) {
  const dex = await startReadyFake('dex', {
    ...(clock && { clock }),
    issuerPath: '/dex',
    paths: { authorize: '/auth', jwks: '/keys' },
    metadata: {
      end_session_endpoint: undefined,
      revocation_endpoint: undefined,
      revocation_endpoint_auth_methods_supported: undefined,
      authorization_response_iss_parameter_supported: undefined,
      backchannel_logout_supported: undefined,
      backchannel_logout_session_supported: undefined,
      frontchannel_logout_supported: undefined,
      frontchannel_logout_session_supported: undefined,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    },
    rotate: 'once',
    accessTokens: 'outlive',
    accessTokenLifetime: DEX_LIFETIME,
    idTokenLifetime: DEX_LIFETIME,
    patchAuthorizationResponse: withoutIssuer,
    patchRefusal: (refusal) =>
      refusal.error === 'invalid_grant'
        ? new ProtocolError(
            'invalid_request',
            'Refresh token is invalid or has already been claimed by another client.',
          )
        : refusal,
  });
  const newest = new Map<string, string>();
  dex.givesRefreshToken = ({ subject, sid }, scopes) => {
    if (!scopes.includes('offline_access')) return false;
    const former = newest.get(subject);
    if (former !== undefined && former !== sid) dex.invalidateSession({ sid: former });
    newest.set(subject, sid);
    return true;
  };
  return dex;
}
