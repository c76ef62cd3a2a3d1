import {
  type Endpoints,
  type EndpointServer,
  jsonOf,
  Refusal,
  startEndpointServer,
} from './endpoint-server.ts';
import type { UserAgent } from '../user-agent/user-agent.ts';
import type { ProviderFake } from './provider-fake.ts';
import { readyProvider } from './ready-configuration.ts';
import { createCanaryMint, createFakeTokenIssuer, type Mint, type TokenPair } from './fake-token-issuer.ts';

/** A vendor's API with its own login and refresh endpoints, as documented by a real vendor. */
export type VendorApi = ProviderFake & {
  readonly url: string;
  readonly server: EndpointServer;
  /** The lifetime of a bearer token in seconds, which `tokenLifetime` states. */
  lifeSeconds: number;
  /** The lifetime of a refresh token, in seconds. */
  refreshLifeSeconds: number;
  /** How far its clock is ahead, in milliseconds; it dates tokens and responses by this clock. */
  clockOffsetMs: number;
  /** Changes a successful response before it is sent. */
  patch: ((response: Record<string, unknown>) => Record<string, unknown>) | undefined;
};

/** The changes to the default vendor API. */
export type VendorApiOptions = {
  /** Passwords by user name. */
  accounts?: Readonly<Record<string, string>>;
  /** Creates tokens, given the API's URL. */
  mint?: (url: string) => Mint;
  /** More endpoints. */
  endpoints?: Endpoints;
};

/** The users with an account, and their passwords. */
export const ACCOUNTS: Readonly<Record<string, string>> = {
  alice: 'canary-password of alice {password} "quoted"',
  bob: 'canary-password-of-bob',
};

/**
 * Starts it on a free port of 127.0.0.1. It is as strict as its documentation: JSON only, a refresh token is valid once,
 * and a used one fails. A response states both the expiry and the lifetime of a token.
 */
export async function startVendorApi(
  clock: () => number = Date.now,
  options: VendorApiOptions = {},
): Promise<VendorApi> {
  const { accounts = ACCOUNTS } = options;
  const canaryMint = createCanaryMint('vendor-api');
  const tokenIssuer = createFakeTokenIssuer({
    name: 'vendor-api',
    clock,
    lifeSeconds: () => vendor.lifeSeconds,
    onReuse: 'refuses',
    mint: (kind, subject) => (options.mint?.(server.url) ?? canaryMint)(kind, subject),
  });
  const refreshEndsAtMs = new Map<string, number>();

  const respondWith = ({ accessToken, refreshToken }: TokenPair) => {
    const datedAt = clock() + vendor.clockOffsetMs;
    refreshEndsAtMs.set(refreshToken, clock() + vendor.refreshLifeSeconds * 1000);
    const response = {
      token: accessToken,
      tokenExpiration: new Date(datedAt + vendor.lifeSeconds * 1000).toISOString(),
      tokenLifetime: vendor.lifeSeconds,
      refreshToken,
      refreshTokenExpiration: new Date(datedAt + vendor.refreshLifeSeconds * 1000).toISOString(),
    };
    return { status: 200, body: vendor.patch?.(response) ?? response };
  };

  const server = await startEndpointServer(
    () => clock() + vendor.clockOffsetMs,
    () => ({
      'POST /auth/login': (request) => {
        const { username, password, ...rest } = jsonOf(request);
        if (Object.keys(rest).length > 0) throw new Refusal(400, { message: 'unknown members' });
        if (
          typeof username !== 'string' ||
          !Object.hasOwn(accounts, username) ||
          accounts[username] !== password
        ) {
          throw new Refusal(401, { message: 'wrong user name or password', username, password });
        }
        return respondWith(tokenIssuer.open(username));
      },
      'POST /auth/refresh': (request) => {
        const { refreshToken, ...rest } = jsonOf(request);
        if (typeof refreshToken !== 'string' || Object.keys(rest).length > 0) {
          throw new Refusal(400, { message: 'refreshToken is needed, and nothing else' });
        }
        const isOver = (refreshEndsAtMs.get(refreshToken) ?? Infinity) <= clock();
        const pair = isOver ? undefined : tokenIssuer.spend(refreshToken);
        if (pair === undefined) throw new Refusal(401, { message: 'the refresh token is not valid' });
        return respondWith(pair);
      },
      ...options.endpoints,
    }),
  );

  const grants: Record<string, string> = { password: '/auth/login', refresh_token: '/auth/refresh' };
  const vendor: VendorApi = {
    url: server.url,
    server,
    lifeSeconds: 3600,
    refreshLifeSeconds: 30 * 86_400,
    clockOffsetMs: 0,
    patch: undefined,
    register: () => readyProvider('vendor-api', { API_URL: server.url }),
    isAccessTokenActive: (token) => tokenIssuer.subjectOf(token) !== undefined,
    revokeAccessToken: tokenIssuer.revokeAccessToken,
    tokenCalls: ({ grant } = {}) =>
      server.requests.filter(({ path }) => grant === undefined || path === grants[grant]).length,
    tokenLedger: tokenIssuer.tokenLedger,
    replay: async (refreshToken) => {
      const { status } = await fetch(`${server.url}/auth/refresh`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refreshToken }),
      });
      return status;
    },
    stop: server.stop,
    start: server.start,
    close: server.stop,
  };
  return vendor;
}

/** Signs alice in at the gateway. */
export async function signInWithPassword(agent: UserAgent): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ username: 'alice', password: ACCOUNTS['alice'] });
  const response = await agent.fetch('/auth/login', { method: 'POST', headers, body });
  if (response.status !== 204) throw new Error(`the sign-in failed: ${response.status} ${response.text()}`);
}
