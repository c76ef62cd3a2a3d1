import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

const TENANT = '8b7bd1b9-2f43-4f4b-9d7b-0f2d6f1c9a10';
const GRAPH = 'https://graph.microsoft.com';
const OPENID = ['openid', 'profile', 'email', 'offline_access'];

/** The scope of the API in the ready configuration. */
export const SCOPE = 'api://first/access';
/** A scope of another API with the consent of an administrator for all users. */
export const OTHER_SCOPE = 'api://orders/Orders.Read';

const resourcesOf = (scopes: readonly string[]) => [
  ...new Set(
    scopes
      .filter((scope) => !OPENID.includes(scope))
      .map((scope) => (scope.includes('/') ? scope.slice(0, scope.lastIndexOf('/')) : GRAPH)),
  ),
];

/**
 * Microsoft Entra ID: access tokens for the one resource that their scopes name, or for Microsoft Graph; no `resource`
 * parameter; a new refresh token at each use, if `offline_access` was requested; the old one stays valid, also for
 * every resource with consent; no revocation endpoint.
 */
export function startEntra(clock?: () => number) {
  const noResource = ({ resource }: Record<string, string>) => {
    if (resource === undefined) return;
    const why = "AADSTS901002: The 'resource' request parameter is not supported.";
    throw new ProtocolError('invalid_request', why);
  };
  return startReadyFake(
    'entra',
    {
      ...(clock && { clock }),
      client: { authentication: 'client_secret_post' },
      issuerPath: `/${TENANT}/v2.0`,
      paths: { token: '/oauth2/v2.0/token', end_session: '/oauth2/v2.0/logout' },
      metadata: {
        revocation_endpoint: undefined,
        code_challenge_methods_supported: undefined,
        authorization_response_iss_parameter_supported: undefined,
        token_endpoint_auth_methods_supported: [
          'client_secret_post',
          'private_key_jwt',
          'client_secret_basic',
        ],
        grant_types_supported: undefined,
        scopes_supported: OPENID,
      },
      rotate: 'new',
      accessTokenLifetime: 4811,
      idTokenLifetime: 3600,
      accessTokens: 'outlive',
      checkAuthorization: noResource,
      checkTokenRequest: (form) => {
        noResource(form);
        if (resourcesOf(form['scope']?.split(' ') ?? []).length > 1) {
          const why = 'AADSTS28000: the scope parameter contains more than one resource.';
          throw new ProtocolError('invalid_request', why);
        }
      },
      givesRefreshToken: (_grant, scopes) => scopes.includes('offline_access'),
      narrow: (granted, asked) => {
        const odd = asked.find((scope) => !granted.includes(scope) && scope !== OTHER_SCOPE);
        if (odd === undefined) return asked;
        const why = `AADSTS65001: The user or administrator has not consented to use the application: ${odd}`;
        throw new ProtocolError('invalid_grant', why, 400, {}, { suberror: 'consent_required' });
      },
      audienceOf: (_grant, scopes) => resourcesOf(scopes)[0] ?? GRAPH,
      // It ends the sign-in in the browser and keeps refresh tokens valid.
      endSession: ({ post_logout_redirect_uri: returnTo = '' }, client) => {
        if (client.postLogoutRedirectUris.includes(returnTo)) return returnTo;
        throw new ProtocolError('invalid_request', 'AADSTS50011: The reply URL is not registered.');
      },
      patchAuthorizationResponse: (parameters) => ({
        ...withoutIssuer(parameters),
        session_state: '6a2e0a5c-2f1c-4d9a-8f6e-2f7d7a7f1c11',
      }),
      patchTokenResponse: ({ id_token: idToken, scope, ...response }) => {
        const scopes = String(scope).split(' ');
        const [resource = GRAPH] = resourcesOf(scopes);
        return {
          ...response,
          ext_expires_in: response['expires_in'],
          scope: scopes.filter((name) => resourcesOf([name])[0] === resource).join(' '),
          ...(scopes.includes('openid') && { id_token: idToken }),
        };
      },
    },
    () => ({ SCOPE }),
  );
}
