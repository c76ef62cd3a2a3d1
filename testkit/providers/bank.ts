import { createHash } from 'node:crypto';
import {
  type Endpoints,
  type EndpointResponse,
  type EndpointRequest,
  type EndpointServer,
  jsonOf,
  Refusal,
  startEndpointServer,
} from './endpoint-server.ts';
import { type Approvals, createApprovals } from './approvals.ts';
import type { ProviderFake } from './provider-fake.ts';
import { readyProvider } from './ready-configuration.ts';
import { createCanaryMint, createFakeTokenIssuer, type Mint, type TokenPair } from './fake-token-issuer.ts';

/** A bank's API: plain OAuth 2.0, by redirect and on another device. */
export type Bank = ProviderFake & {
  readonly url: string;
  readonly server: EndpointServer;
  /** The user who signs in by redirect. */
  user: string;
  /** The only accepted format of parameters. */
  format: 'json' | 'form';
  /** The lifetime of an access token, in seconds. */
  lifeSeconds: number;
  /** The lifetime of a sign-in on another device, in seconds; the response omits it when undefined. */
  approvalSeconds: number | undefined;
  /** The sign-ins on another device. */
  readonly approvals: Approvals;
  /** Changes a successful token response for a subject before it is sent. */
  patch: ((response: Record<string, unknown>, subject: string) => Record<string, unknown>) | undefined;
};

/** The changes to the default bank. */
export type BankOptions = {
  /** A public client has no secret. */
  client?: { id: string; secret?: string };
  /** Creates tokens and codes, given the bank's URL. */
  mint?: (url: string) => Mint;
  /** The sign-in page. Without one, `Bank.user` or the user of the hint signs in at once. */
  signInPage?: {
    show(hint: string): EndpointResponse;
    /** The user named by the form of the page. */
    subjectOf(form: URLSearchParams): string;
  };
  nameOf?: (subject: string) => string;
  /** More endpoints. */
  endpoints?: Endpoints;
};

export const CLIENT = { id: 'web', secret: 'canary-client-secret-of-the-bank' };
const TOKEN_ENDPOINTS = {
  redirect: '/v3/authorize/token',
  decoupled: '/v3/authorize-decoupled/token',
} as const;

/**
 * Starts the bank on a free port of 127.0.0.1. It is strict: parameters in its one format, `grant_type` in every token
 * request, PKCE, exact redirect URIs, client credentials by HTTP Basic; or of a public
 * client the `client_id` alone. As its documentation says, a token response has a type and the two tokens, but no lifetime. A refresh token is valid once, at the endpoint
 * that issued it; reuse ends its family. Polling too often gets `slow_down`.
 */
export async function startBank(clock: () => number = Date.now, options: BankOptions = {}): Promise<Bank> {
  const { client = CLIENT, signInPage, nameOf = (subject) => subject } = options;
  const canaryMint = createCanaryMint('bank');
  const mint: Mint = (kind, subject) => (options.mint?.(server.url) ?? canaryMint)(kind, subject);
  const tokenIssuer = createFakeTokenIssuer({
    name: 'bank',
    clock,
    lifeSeconds: () => bank.lifeSeconds,
    onReuse: 'ends the family',
    mint,
  });
  const codes = new Map<string, { subject: string; redirectUri: string; challenge: string }>();
  const redirectUris: string[] = [];
  const approvals = createApprovals('bank', clock);

  const bodyOf = (request: EndpointRequest): Record<string, unknown> => {
    if (bank.format === 'json') return jsonOf(request);
    if (!String(request.headers['content-type']).startsWith('application/x-www-form-urlencoded')) {
      throw new Refusal(415, { error: 'invalid_request' });
    }
    return Object.fromEntries(new URLSearchParams(request.body));
  };
  const isClient = ({ authorization }: EndpointRequest['headers'], body: Record<string, unknown>) => {
    if (client.secret === undefined)
      return authorization === undefined && body['client_id'] === client.id && !('client_secret' in body);
    const [, encoded = ''] = /^Basic (.+)$/.exec(String(authorization)) ?? [];
    const credentials = decodeURIComponent(Buffer.from(encoded, 'base64').toString());
    return credentials === `${client.id}:${client.secret}`;
  };
  const parametersOf = (request: EndpointRequest): Record<string, unknown> => {
    const parameters = bodyOf(request);
    if (!isClient(request.headers, parameters)) throw new Refusal(401, { error: 'invalid_client' });
    return parameters;
  };
  const refuse = (error: string) => new Refusal(400, { error });
  const required = (parameters: Record<string, unknown>, name: string): string => {
    const value = parameters[name];
    if (typeof value === 'string' && value !== '') return value;
    throw new Refusal(400, { error: 'invalid_request', error_description: `${name} is missing` });
  };
  const tokensOf = ({ accessToken, refreshToken, subject }: TokenPair): EndpointResponse => {
    const response = {
      token_type: 'BEARER',
      access_token: accessToken,
      refresh_token: refreshToken,
    };
    return { status: 200, body: bank.patch?.(response, subject) ?? response };
  };

  const authorize = (query: URLSearchParams, subject: string): EndpointResponse => {
    const parameters = Object.fromEntries(query);
    const redirectUri = required(parameters, 'redirect_uri');
    if (required(parameters, 'client_id') !== client.id || !redirectUris.includes(redirectUri))
      throw refuse('invalid_request');
    for (const name of ['state', 'scope', 'code_challenge']) required(parameters, name);
    if (parameters['response_type'] !== 'code' || parameters['code_challenge_method'] !== 'S256')
      throw refuse('invalid_request');
    if ('nonce' in parameters) throw refuse('invalid_request');
    const code = mint('code', subject);
    codes.set(code, { subject, redirectUri, challenge: parameters['code_challenge'] ?? '' });
    const location = new URL(redirectUri);
    // Not an issuer that the gateway knows.
    location.search = String(
      new URLSearchParams({ code, state: parameters['state'] ?? '', iss: 'urn:bank' }),
    );
    return { status: 303, headers: { location: location.href } };
  };

  const redeemCode = (parameters: Record<string, unknown>): TokenPair => {
    const code = required(parameters, 'code');
    const found = codes.get(code);
    codes.delete(code);
    const verifier = required(parameters, 'code_verifier');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (found?.redirectUri !== required(parameters, 'redirect_uri') || found.challenge !== challenge)
      throw refuse('invalid_grant');
    return tokenIssuer.open(found.subject, 'redirect');
  };

  const redeemApproval = (parameters: Record<string, unknown>): TokenPair => {
    const approval = approvals.ask(required(parameters, 'code'));
    if (typeof approval === 'string') throw refuse(approval);
    return tokenIssuer.open(approval.loginHint ?? bank.user, 'decoupled');
  };

  const token = (endpoint: 'redirect' | 'decoupled') => (request: EndpointRequest) => {
    const parameters = parametersOf(request);
    switch (required(parameters, 'grant_type')) {
      case 'authorization_code':
        return tokensOf(endpoint === 'redirect' ? redeemCode(parameters) : redeemApproval(parameters));
      case 'refresh_token': {
        const pair = tokenIssuer.spend(required(parameters, 'refresh_token'), endpoint);
        if (pair === undefined) throw refuse('invalid_grant');
        return tokensOf(pair);
      }
      default:
        throw refuse('unsupported_grant_type');
    }
  };

  const server = await startEndpointServer(clock, () => ({
    'GET /v3/authorize': ({ query }) => {
      const hint = query.get('login_hint');
      return signInPage?.show(hint ?? '') ?? authorize(query, hint ?? bank.user);
    },
    ...(signInPage && {
      'POST /v3/authorize': ({ query, body }) =>
        authorize(query, signInPage.subjectOf(new URLSearchParams(body))),
    }),
    [`POST ${TOKEN_ENDPOINTS.redirect}`]: token('redirect'),
    [`POST ${TOKEN_ENDPOINTS.decoupled}`]: token('decoupled'),
    'POST /v3/authorize-decoupled': (request) => {
      const parameters = parametersOf(request);
      required(parameters, 'scope');
      const text = (name: string) => (typeof parameters[name] === 'string' ? parameters[name] : undefined);
      const loginHint = text('login_hint');
      if (loginHint === 'nobody') throw refuse('unknown_user_id');
      const { id } = approvals.begin({ loginHint, bindingMessage: text('binding_message') });
      const {
        approvalSeconds,
        approvals: { intervalSeconds },
      } = bank;
      return { status: 202, body: { code: id, expires_in: approvalSeconds, interval: intervalSeconds } };
    },
    'POST /v3/authorize/revoke': (request) => {
      tokenIssuer.revokeRefreshToken(required(parametersOf(request), 'token'));
      return { status: 200 };
    },
    'GET /v3/customer': ({ headers }) => {
      const [, bearer = ''] = /^Bearer (.+)$/.exec(String(headers['authorization'])) ?? [];
      const subject = tokenIssuer.subjectOf(bearer);
      if (subject === undefined) throw new Refusal(401, { error: 'invalid_token' });
      return { status: 200, body: { customer: { id: `customer-${subject}` }, name: nameOf(subject) } };
    },
    ...options.endpoints,
  }));

  const bank: Bank = {
    url: server.url,
    server,
    user: 'alice',
    format: 'json',
    lifeSeconds: 300,
    approvalSeconds: 120,
    approvals,
    patch: undefined,
    register: (baseUrl) => {
      redirectUris.push(`${baseUrl}/auth/callback`);
      const { id, secret } = client;
      const section = readyProvider('bank', {
        BANK_URL: server.url,
        CLIENT_ID: id,
        CLIENT_SECRET: secret ?? 'none',
      });
      if (secret !== undefined) return section;
      // A key that is undefined counts as not written.
      return { ...section, clientAuthentication: 'none', clientSecret: undefined };
    },
    isAccessTokenActive: (accessToken) => tokenIssuer.subjectOf(accessToken) !== undefined,
    revokeAccessToken: tokenIssuer.revokeAccessToken,
    tokenCalls: ({ grant } = {}) =>
      server.requests.filter(
        ({ path, body }) =>
          Object.values<string>(TOKEN_ENDPOINTS).includes(path) &&
          (grant === undefined || body.includes(grant)),
      ).length,
    tokenLedger: tokenIssuer.tokenLedger,
    replay: async (refreshToken) => {
      const { endpoint } = tokenIssuer
        .tokenLedger()
        .find(({ token: own }) => own === refreshToken) as unknown as TokenPair;
      return tokenIssuer.spend(refreshToken, endpoint) === undefined ? 400 : 200;
    },
    stop: server.stop,
    start: server.start,
    close: server.stop,
  };
  return bank;
}

/** Lets a bank state the lifetime of its access tokens, as RFC 6749 recommends and its documentation does not promise. */
export function statingLifetimes(bank: Bank): Bank {
  bank.patch = (response) => ({ ...response, expires_in: bank.lifeSeconds });
  return bank;
}
