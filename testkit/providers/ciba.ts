import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type Approvals, createApprovals } from './approvals.ts';
import {
  type EndpointRequest,
  type EndpointServer,
  Refusal,
  startEndpointServer,
} from './endpoint-server.ts';
import type { ProviderFake } from './provider-fake.ts';
import { createFakeTokenIssuer, type TokenPair } from './fake-token-issuer.ts';

/** An OpenID provider at which users sign in on another device only (OpenID CIBA Core 1.0, poll mode). */
export type CibaProvider = ProviderFake & {
  readonly issuer: string;
  readonly server: EndpointServer;
  readonly approvals: Approvals;
  /** Whether users can also sign in by redirect. */
  hasAuthorizationEndpoint: boolean;
  /** The lifetime of a sign-in, in seconds. */
  approvalSeconds: number;
  /** Changes the claims of an ID token before it is signed. */
  patchIdToken: ((claims: JWTPayload) => JWTPayload) | undefined;
};

const CLIENT = { id: 'web', secret: 'canary-client-secret-of-ciba' };
const GRANT = 'urn:openid:params:grant-type:ciba';
const LIFE_SECONDS = 300;

/** Starts it on a free port of 127.0.0.1. It enforces the interval, and a refresh token is valid once. */
export async function startCibaProvider(clock: () => number = Date.now): Promise<CibaProvider> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'ES256', use: 'sig' };
  const tokenIssuer = createFakeTokenIssuer({
    name: 'ciba',
    clock,
    lifeSeconds: () => LIFE_SECONDS,
    onReuse: 'ends the family',
  });
  const approvals = createApprovals('ciba', clock);

  const formOf = ({ headers, body }: EndpointRequest): Record<string, string> => {
    const [, encoded = ''] = /^Basic (.+)$/.exec(String(headers['authorization'])) ?? [];
    const credentials = decodeURIComponent(Buffer.from(encoded, 'base64').toString());
    if (credentials !== `${CLIENT.id}:${CLIENT.secret}`) throw new Refusal(401, { error: 'invalid_client' });
    return Object.fromEntries(new URLSearchParams(body));
  };
  const respondWith = async ({ accessToken, refreshToken, subject }: TokenPair, issuer: string) => {
    const iat = Math.floor(clock() / 1000);
    const claims = { iss: issuer, aud: CLIENT.id, sub: subject, iat, exp: iat + 300, auth_time: iat };
    const idToken = await new SignJWT(ciba.patchIdToken?.(claims) ?? claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1' })
      .sign(privateKey);
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        access_token: accessToken,
        expires_in: LIFE_SECONDS,
        refresh_token: refreshToken,
        id_token: idToken,
      },
    };
  };

  const server = await startEndpointServer(clock, (issuer) => ({
    'GET /.well-known/openid-configuration': () => ({
      status: 200,
      body: {
        issuer,
        ...(ciba.hasAuthorizationEndpoint && { authorization_endpoint: `${issuer}/authorize` }),
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        backchannel_authentication_endpoint: `${issuer}/backchannel`,
        backchannel_token_delivery_modes_supported: ['poll'],
        grant_types_supported: [GRANT, 'refresh_token'],
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      },
    }),
    'GET /jwks': () => ({ status: 200, body: { keys: [jwk] } }),
    'POST /backchannel': (request) => {
      const { scope = '', login_hint: loginHint, binding_message: bindingMessage } = formOf(request);
      if (!scope.split(' ').includes('openid')) throw new Refusal(400, { error: 'invalid_scope' });
      if (loginHint === undefined) throw new Refusal(400, { error: 'invalid_request' });
      if (loginHint === 'nobody') throw new Refusal(400, { error: 'unknown_user_id' });
      const { id } = approvals.begin({ loginHint, bindingMessage });
      const interval = approvals.intervalSeconds;
      return { status: 200, body: { auth_req_id: id, expires_in: ciba.approvalSeconds, interval } };
    },
    'POST /token': async (request) => {
      const form = formOf(request);
      if (form['grant_type'] === GRANT) {
        const approval = approvals.ask(form['auth_req_id'] ?? '');
        if (typeof approval === 'string') throw new Refusal(400, { error: approval });
        return respondWith(tokenIssuer.open(approval.loginHint ?? ''), issuer);
      }
      const pair = tokenIssuer.spend(form['refresh_token'] ?? '');
      if (pair === undefined) throw new Refusal(400, { error: 'invalid_grant' });
      return respondWith(pair, issuer);
    },
  }));

  const ciba: CibaProvider = {
    issuer: server.url,
    server,
    approvals,
    approvalSeconds: 120,
    hasAuthorizationEndpoint: false,
    patchIdToken: undefined,
    register: () => ({
      type: 'oidc',
      issuer: server.url,
      login: 'decoupled',
      clientId: CLIENT.id,
      clientSecret: CLIENT.secret,
    }),
    isAccessTokenActive: (token) => tokenIssuer.subjectOf(token) !== undefined,
    revokeAccessToken: tokenIssuer.revokeAccessToken,
    tokenCalls: ({ grant } = {}) =>
      server.requests.filter(
        ({ path, body }) =>
          path === '/token' && (grant === undefined || new URLSearchParams(body).get('grant_type') === grant),
      ).length,
    tokenLedger: tokenIssuer.tokenLedger,
    replay: async (refreshToken) => (tokenIssuer.spend(refreshToken) === undefined ? 400 : 200),
    stop: server.stop,
    start: server.start,
    close: server.stop,
  };
  return ciba;
}
