import { ProtocolError } from '../../fake-provider/protocol-error.ts';
import { startReadyFake, withoutIssuer } from './ready-fake.ts';

const SCOPES = /^(?:openid|email|profile|https:\/\/www\.googleapis\.com\/auth\/\S+)$/;
const PROMPTS = ['none', 'consent', 'select_account'];

/**
 * Google: rejects unknown scopes; returns a refresh token only for `access_type=offline`, and only at the first
 * consent unless `prompt=consent` requests one; returns none at a refresh; has no logout endpoint.
 */
export function startGoogle(clock?: () => number) {
  const consented = new Set<string>();
  return startReadyFake('google', {
    ...(clock && { clock }),
    client: { authentication: 'client_secret_post' },
    paths: { authorize: '/o/oauth2/v2/auth', jwks: '/oauth2/v3/certs' },
    metadata: {
      end_session_endpoint: undefined,
      authorization_response_iss_parameter_supported: undefined,
      scopes_supported: ['openid', 'email', 'profile'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
    },
    rotate: 'off',
    accessTokenLifetime: 3599,
    idTokenLifetime: 3600,
    checkAuthorization: ({ scope = '', access_type: access = 'online', prompt }) => {
      const odd = scope.split(' ').filter((name) => !SCOPES.test(name));
      if (odd.length > 0) {
        throw new ProtocolError('invalid_scope', `Some requested scopes were invalid: ${odd.join(', ')}`);
      }
      if (!['online', 'offline'].includes(access)) {
        throw new ProtocolError('invalid_request', `Invalid parameter value for access_type: ${access}`);
      }
      const prompts = prompt?.split(' ') ?? [];
      if (!prompts.every((name) => PROMPTS.includes(name))) {
        throw new ProtocolError('invalid_request', `Invalid parameter value for prompt: ${prompt}`);
      }
    },
    givesRefreshToken: ({ subject, parameters }) => {
      const isAsked = parameters['prompt']?.split(' ').includes('consent') === true;
      const isFirst = !consented.has(subject);
      consented.add(subject);
      return parameters['access_type'] === 'offline' && (isAsked || isFirst);
    },
    patchAuthorizationResponse: (parameters) => ({
      ...withoutIssuer(parameters),
      scope: 'email profile openid',
      authuser: '0',
      prompt: 'consent',
    }),
  });
}
