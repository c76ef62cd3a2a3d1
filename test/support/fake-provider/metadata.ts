import type { Client } from './settings.ts';

/** Where each endpoint of the fake provider is; their names are used in its records and faults. */
export const ENDPOINTS = {
  discovery: '/.well-known/openid-configuration',
  jwks: '/jwks',
  authorize: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  revoke: '/revoke',
  end_session: '/end_session',
} as const;

/** One endpoint of the fake provider. */
export type Endpoint = keyof typeof ENDPOINTS;

/** The discovery document (OpenID Connect Discovery, section 3). */
export function metadataOf(issuer: string, client: Client): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: issuer + ENDPOINTS.authorize,
    token_endpoint: issuer + ENDPOINTS.token,
    userinfo_endpoint: issuer + ENDPOINTS.userinfo,
    jwks_uri: issuer + ENDPOINTS.jwks,
    revocation_endpoint: issuer + ENDPOINTS.revoke,
    end_session_endpoint: issuer + ENDPOINTS.end_session,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    subject_types_supported: ['public'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: [client.authentication],
    revocation_endpoint_auth_methods_supported: [client.authentication],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
  };
}
