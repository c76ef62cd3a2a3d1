import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { exportJWK, generateKeyPair } from 'jose';
import type { ClientMetadata, Configuration, Provider as OidcProvider } from 'oidc-provider';
import { Provider } from './oidc-provider.ts';
import { createOidcRecords } from './oidc-records.ts';
import type { LedgerEntry } from '../fake-provider/tokens/families.ts';
import type { CertificateAuthority } from '../network/certificate-authority.ts';
import { listenOnLoopback } from '../network/loopback-server.ts';
import { aliasesAt, clientCertificates } from './client-certificates.ts';
import type { ProviderFake } from './provider-fake.ts';

/** oidc-provider in this process, with one client and one user, who is always signed in. */
export type RealProvider = ProviderFake & {
  readonly issuer: string;
  readonly instance: OidcProvider;
};

export type RealProviderOptions = {
  clock?: () => number;
  /** The registration of the client besides its redirect URIs. */
  client?: Partial<ClientMetadata>;
  /** Keys of the `provider` section of a gateway, besides `type`, `issuer` and `clientId`. */
  section?: Record<string, unknown>;
  configuration?: Configuration;
  /**
   * Serves TLS as well, with a certificate of this authority, and asks for a client certificate of it (RFC 8705). `issuer`:
   * the issuer is there; otherwise only the aliases of its endpoints are.
   */
  secure?: { authority: CertificateAuthority; issuer?: boolean };
  /** Responds to a request in place of the provider; returns false to let the provider respond. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
};

const CLIENT = { client_id: 'web', client_secret: 'canary-client-secret-of-the-real-provider' };
const PERSON = 'alice';
/** The lifetime of an access token, in seconds. */
const LIFE = 300;

/** Starts oidc-provider on a free port of 127.0.0.1: PKCE and client authentication required, refresh tokens rotated. */
export async function startRealProvider(options: RealProviderOptions = {}): Promise<RealProvider> {
  const { clock = Date.now, client = {}, section = { clientSecret: CLIENT.client_secret } } = options;
  const server = createServer();
  const loopback = await listenOnLoopback(server);
  const { secure } = options;
  const identity = secure?.authority.issue('127.0.0.1');
  const secureServer = createSecureServer({
    ...identity,
    ...(secure && { ca: secure.authority.certificate }),
    requestCert: true,
    rejectUnauthorized: false,
  });
  const secureLoopback = secure && (await listenOnLoopback(secureServer));
  const secureOrigin = `https://127.0.0.1:${secureLoopback?.port}`;
  const issuer = secure?.issuer === true ? secureOrigin : `http://127.0.0.1:${loopback.port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const registered: ClientMetadata = {
    ...CLIENT,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['https://app.example.test/auth/callback'],
    post_logout_redirect_uris: [],
    ...client,
  };

  const build = () =>
    new Provider(issuer, {
      adapter: createOidcRecords(),
      jwks: { keys: [{ ...jwk, alg: 'RS256', use: 'sig' }] },
      cookies: { keys: ['a-key-for-the-cookies-of-a-test'] },
      clients: [registered],
      clientAuthMethods: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        ...(secure ? (['tls_client_auth', 'self_signed_tls_client_auth'] as const) : []),
      ],
      ...(secure &&
        secure.issuer !== true && { discovery: { mtls_endpoint_aliases: aliasesAt(secureOrigin) } }),
      pkce: { required: () => true },
      rotateRefreshToken: true,
      issueRefreshToken: () => true,
      ttl: {
        AccessToken: LIFE,
        IdToken: 3600,
        RefreshToken: 86_400,
        Grant: 86_400,
        Session: 86_400,
        Interaction: 60,
      },
      findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
      async loadExistingGrant({ oidc }) {
        const grant = new oidc.provider.Grant({ accountId: PERSON, clientId: registered.client_id });
        grant.addOIDCScope('openid profile email offline_access');
        await grant.save();
        return grant;
      },
      ...options.configuration,
      features: {
        devInteractions: { enabled: false },
        ...(secure && { mTLS: clientCertificates }),
        revocation: { enabled: true, allowedPolicy: () => true },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (ctx, form) => {
            ctx.body = form;
          },
        },
        ...options.configuration?.features,
      },
    });

  const jwk = await exportJWK(privateKey);
  const access = new Map<string, { expiresAtMs: number; grantId: string | undefined }>();
  const tokenLedger = new Map<string, LedgerEntry>();
  const asked: string[] = [];

  const recordTokens = (provider: OidcProvider) => {
    provider.on('access_token.saved', ({ jti, grantId }) => {
      access.set(jti, { expiresAtMs: clock() + LIFE * 1000, grantId });
    });
    provider.on('access_token.destroyed', ({ jti }) => access.delete(jti));
    provider.on('refresh_token.saved', ({ jti, grantId = '', rotations = 0 }) => {
      const entry = { generation: rotations + 1, presented: 0, spent: 0, reuses: 0, familyAlive: true };
      if (!tokenLedger.has(jti)) tokenLedger.set(jti, { ...entry, token: jti, family: grantId });
    });
    provider.on('refresh_token.consumed', ({ jti }) => {
      const entry = tokenLedger.get(jti);
      if (entry) Object.assign(entry, { presented: entry.presented + 1, spent: entry.spent + 1 });
    });
    provider.on('grant.revoked', (_ctx, grantId) => {
      for (const [token, { grantId: of }] of access) if (of === grantId) access.delete(token);
      for (const entry of tokenLedger.values()) if (entry.family === grantId) entry.familyAlive = false;
    });
    provider.on('grant.success', ({ oidc }) => asked.push(String(oidc.params?.['grant_type'])));
    provider.on('grant.error', ({ oidc }) => asked.push(String(oidc.params?.['grant_type'])));
  };

  /** The user authenticates with whatever was asked for first. */
  const finishInteraction = async (request: IncomingMessage, response: ServerResponse) => {
    const { params } = await instance.interactionDetails(request, response);
    const { acr_values: asked } = params;
    const acr = typeof asked === 'string' ? asked.split(' ')[0] : undefined;
    const login = { accountId: PERSON, ...(acr !== undefined && { acr }) };
    await instance.interactionFinished(request, response, { login });
  };

  let instance = build();
  recordTokens(instance);
  const respond = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith('/interaction/') === true) {
      void finishInteraction(request, response);
      return;
    }
    if (options.intercept?.(request, response) === true) return;
    void instance.callback()(request, response);
  };
  server.on('request', respond);
  secureServer.on('request', respond);
  const both = (act: 'stop' | 'start') => async () => {
    await Promise.all([loopback[act](), secureLoopback?.[act]()]);
  };

  return {
    issuer,
    get instance() {
      return instance;
    },
    register: (baseUrl) => {
      registered.redirect_uris = [`${baseUrl}/auth/callback`];
      registered.post_logout_redirect_uris = [`${baseUrl}/`];
      if (options.configuration?.features?.backchannelLogout?.enabled === true) {
        registered.backchannel_logout_uri = `${baseUrl}/auth/backchannel-logout`;
        registered.backchannel_logout_session_required = true;
      }
      instance = build();
      recordTokens(instance);
      return { type: 'oidc', issuer, clientId: registered.client_id, ...section };
    },
    isAccessTokenActive: (token) => (access.get(token)?.expiresAtMs ?? 0) > clock(),
    revokeAccessToken: (token) => void access.delete(token),
    tokenCalls: ({ grant } = {}) => asked.filter((type) => grant === undefined || type === grant).length,
    tokenLedger: () => [...tokenLedger.values()],
    replay: async (refreshToken) => {
      const credentials = `${CLIENT.client_id}:${CLIENT.client_secret}`;
      const { status } = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
      });
      return status;
    },
    stop: both('stop'),
    start: both('start'),
    close: both('stop'),
  };
}
