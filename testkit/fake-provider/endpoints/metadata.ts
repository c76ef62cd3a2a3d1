import type { Client } from '../settings.ts';

/** The default path of each endpoint; records and faults use the same names. */
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

/** The paths of the endpoints of one fake provider. */
export type Paths = Readonly<Record<Endpoint, string>>;

/** The default paths below the issuer's path, unless others are given. */
export function pathsUnder(issuer: string, others: Partial<Paths>): Paths {
  const base = new URL(issuer).pathname.replace(/\/$/, '');
  const own = Object.entries({ ...ENDPOINTS, ...others }).map(([name, path]) => [name, base + path]);
  return Object.fromEntries(own) as Paths;
}

/** The discovery document (OpenID Connect Discovery, section 3). */
export function metadataOf(issuer: string, paths: Paths, client: Client): Record<string, unknown> {
  const { origin } = new URL(issuer);
  return {
    issuer,
    authorization_endpoint: origin + paths.authorize,
    token_endpoint: origin + paths.token,
    userinfo_endpoint: origin + paths.userinfo,
    jwks_uri: origin + paths.jwks,
    revocation_endpoint: origin + paths.revoke,
    end_session_endpoint: origin + paths.end_session,
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
