import { createServer } from 'node:http';
import type { JWTPayload } from 'jose';
import { createAuthorize } from './endpoints/authorize.ts';
import { createClientAuthentication } from './client-authentication.ts';
import { createCodes } from './tokens/codes.ts';
import { createEndSession } from './endpoints/end-session.ts';
import { type Family, type LedgerEntry, createFamilies } from './tokens/families.ts';
import { type Faults, createFaults } from './faults.ts';
import { createHandler } from './handler.ts';
import { createIssuance } from './tokens/issuance.ts';
import { type Paths, metadataOf, pathsUnder } from './endpoints/metadata.ts';
import { ProtocolError } from './protocol-error.ts';
import { createRevoke } from './endpoints/revoke.ts';
import { type SecretKind, createSecrets } from './secrets.ts';
import { type ProviderSettings, settingsWith } from './settings.ts';
import { type IdTokenSignature, createSigner } from './tokens/signer.ts';
import { createToken } from './endpoints/token.ts';
import { type RecordedRequest, createRequestLog } from './request-log.ts';
import { createUserinfo } from './endpoints/userinfo.ts';
import { listenOnLoopback } from '../network/loopback-server.ts';

/** A strict OpenID provider on the loopback. Its settings may be assigned while it runs. */
export type FakeProvider = ProviderSettings & {
  readonly issuer: string;
  readonly port: number;
  /** The served discovery document. */
  readonly metadata: Record<string, unknown>;

  /** Every request received, in order. */
  readonly requests: RecordedRequest[];
  /** The number of token requests, for one `grant_type` or all. */
  tokenCalls(filter?: { grant?: string }): number;
  /** The largest number of concurrent token requests. */
  readonly maxConcurrentTokenCalls: number;
  /** All tokens, grouped by their sign-in. */
  readonly families: readonly Family[];
  /** Every refresh token issued, how often it was sent and used, and whether its family is alive. */
  tokenLedger(): LedgerEntry[];
  /** Every secret issued or received, or those of some kinds. A browser may see `code` and `id_token`. */
  secrets(kinds?: readonly SecretKind[]): string[];

  readonly faults: Faults;
  /** Sets how ID tokens are signed from now on. */
  signWith(how: IdTokenSignature): void;
  /** Replaces the signing key, and publishes only the new one. */
  swapKeys(): Promise<void>;
  /** Signs claims with the provider's key, such as those of a logout token. */
  sign(claims: JWTPayload, typ?: string): Promise<string>;

  /** Registers the redirect URIs of a gateway and returns the `provider` section of its configuration. */
  register(baseUrl: string): Record<string, unknown>;
  /** Presents a refresh token as an attacker with the client credentials would; returns the status. */
  replay(refreshToken: string): Promise<number>;

  /** True when the token is active: not expired, not revoked, its family alive. */
  readonly isAccessTokenActive: (token: string) => boolean;
  /** Ends an access token early and keeps its family. */
  revokeAccessToken(token: string): void;
  /** Ends the sessions of a user, or one session, with all tokens. */
  invalidateSession(of: { user: string } | { sid: string }): void;

  /** Closes every connection and the port, as in an outage. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** The options of a provider: its changes to the default settings, its clock, and its metadata. */
export type FakeProviderOptions = Partial<ProviderSettings> & {
  clock?: () => number;
  /** The path of the issuer, such as `/realms/acme`. A single slash gives the issuer a final slash. */
  issuerPath?: string;
  /** The paths of endpoints below that path, where they differ from the default. */
  paths?: Partial<Paths>;
  /** Changes to the discovery document; undefined removes a member. */
  metadata?: Record<string, unknown>;
};

/** Starts a fake provider on a free port of 127.0.0.1. */
export async function startFakeProvider(options: FakeProviderOptions = {}): Promise<FakeProvider> {
  const {
    clock = Date.now,
    issuerPath = '',
    paths: places = {},
    metadata: announced = {},
    ...given
  } = options;
  const server = createServer();
  const loopback = await listenOnLoopback(server);
  const issuer = `http://127.0.0.1:${loopback.port}${issuerPath}`;
  const paths = pathsUnder(issuer, places);

  const settings = settingsWith(given);
  const nowMs = () => clock() + settings.clockOffsetMs;
  const secrets = createSecrets(issuer);
  secrets.record('client_secret', settings.client.secret);
  const signer = await createSigner();
  const families = createFamilies(settings, nowMs);
  const codes = createCodes(nowMs, (family) => families.end(family, 'code reused'));
  const issuance = createIssuance({ issuer, settings, families, signer, secrets, nowMs });
  const metadata = { ...metadataOf(issuer, paths, settings.client), ...announced };
  const requestLog = createRequestLog();
  const faultLine = createFaults();

  const endSessions = (matches: (family: Family) => boolean) => {
    for (const family of families.all) if (matches(family)) families.end(family, 'session ended');
  };
  const endSession = (sid: unknown) => endSessions(({ grant }) => grant.sid === sid);

  const authenticate = createClientAuthentication({
    issuer,
    tokenEndpoint: new URL(paths.token, issuer).href,
    settings,
  });
  const token = createToken({
    settings,
    codes,
    families,
    issuance,
    secrets,
    authenticate,
    url: new URL(paths.token, issuer).href,
  });
  const endpoints = {
    discovery: async () => ({ status: 200, body: metadata }),
    jwks: async () => ({ status: 200, body: { ...signer.jwks() } }),
    authorize: createAuthorize({ issuer, settings, codes, secrets, nowMs }),
    token: token.endpoint,
    userinfo: createUserinfo({ families, settings, url: new URL(paths.userinfo, issuer).href }),
    revoke: createRevoke({ families, authenticate }),
    end_session: createEndSession({ settings, signer, endSession }),
  };
  server.on('request', createHandler({ endpoints, requestLog, faultLine, paths, settings }));

  const own: Omit<FakeProvider, keyof ProviderSettings> = {
    issuer,
    port: loopback.port,
    metadata,
    requests: requestLog.requests,
    tokenCalls: (filter) => requestLog.tokenCalls(filter),
    get maxConcurrentTokenCalls() {
      return requestLog.maxConcurrent('token');
    },
    families: families.all,
    tokenLedger: () => families.tokenLedger(),
    secrets: (kinds) => secrets.list(kinds),
    faults: faultLine.faults,
    signWith: (how) => signer.signIdTokensWith(how),
    swapKeys: () => signer.swapKeys(),
    sign: (claims, typ) => signer.sign(claims, typ),
    register: (baseUrl) => {
      const { client } = settings;
      client.redirectUris.push(`${baseUrl}/auth/callback`);
      client.postLogoutRedirectUris.push(`${baseUrl}/`);
      return { type: 'oidc', issuer, clientId: client.id, clientSecret: client.secret };
    },
    replay: (refreshToken) =>
      token.grant({ grant_type: 'refresh_token', refresh_token: refreshToken }).then(
        () => 200,
        (error: unknown) => (error instanceof ProtocolError ? error.status : 500),
      ),
    isAccessTokenActive: (token) => families.ofActive(token) !== undefined,
    revokeAccessToken: (token) => families.revoke(token),
    invalidateSession: (of) =>
      endSessions(({ grant }) => ('user' in of ? grant.subject === of.user : grant.sid === of.sid)),
    stop: () => loopback.stop(),
    start: () => loopback.start(),
    close: async () => {
      faultLine.faults.clear();
      await loopback.stop();
    },
  };
  // Returns the settings object itself, so that the endpoints read the values that a test assigns.
  return Object.defineProperties(settings, Object.getOwnPropertyDescriptors(own)) as FakeProvider;
}
