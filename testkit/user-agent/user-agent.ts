import { type CookieContext, type CookieJar, createCookieJar } from './cookie-jar.ts';
import { type Navigation, type NavigationInit, createNavigation, describeChain } from './navigation.ts';
import {
  type Address,
  type AgentResponse,
  type OpenResponse,
  type Sent,
  type SentHeaders,
  complete,
  createTransport,
} from './transport.ts';
import { type AgentWebSocket, openWebSocket } from './web-socket.ts';

/** The options of a request besides its path. */
export type AgentRequest = Partial<Sent>;

/** A headless browser. Paths are relative to its base URL; full URLs work as well. */
export type UserAgent = {
  readonly origin: string;
  readonly cookies: CookieJar;
  /** Stores a cookie as if the base URL had sent this `Set-Cookie` line. */
  setCookie(line: string): void;

  /** Sends a plain request with the cookies of the origin, without browser headers. It follows no redirects. */
  request(path: string, init?: AgentRequest): Promise<AgentResponse>;
  get(path: string, init?: AgentRequest): Promise<AgentResponse>;
  post(path: string, init?: AgentRequest): Promise<AgentResponse>;
  /** Like `request`, but resolves before the body arrives, for streams. */
  open(path: string, init?: AgentRequest): Promise<OpenResponse>;
  /** Sends a request like a script of a page: with fetch metadata and, except for GET and HEAD, `Origin`. */
  fetch(path: string, init?: AgentRequest): Promise<AgentResponse>;
  /** Navigates to a page, through up to ten redirects to any origin. */
  navigate(path: string, init?: NavigationInit): Promise<Navigation>;
  /**
   * Signs in by a link to `/auth/login`, as the user of the provider or of the hint.
   *
   * @throws Error with all responses when the status of the callback is not 303.
   */
  signIn(returnTo?: string, options?: { loginHint?: string }): Promise<Navigation>;
  /**
   * Opens a WebSocket from a page of `origin`, by default that of the base URL.
   *
   * @throws UpgradeRefused when the response is not 101.
   */
  websocket(
    path: string,
    options?: { origin?: string; protocols?: string[]; headers?: SentHeaders },
  ): Promise<AgentWebSocket>;

  /** Every byte received from an origin, or from all, as latin1. */
  received(origin?: string): string;
  close(): void;
};

/** How the agent differs from a new one that connects to its base URL and has the machine's time. */
export type UserAgentOptions = {
  /** Where it connects to for its base URL, when that is another place than the URL says. */
  connect?: Address;
  clock?: () => number;
  /** The authority that it trusts, in PEM; without one, it speaks plain TCP only. */
  ca?: string | undefined;
  /** Has the cookies that this one got from the same base URL. */
  like?: UserAgent | undefined;
};

const SAME_ORIGIN: CookieContext = { crossSite: false, topLevelGet: true };

/** Makes a browser. `baseUrl` may be https only together with `connect`. */
export function createUserAgent(baseUrl: string, options: UserAgentOptions = {}): UserAgent {
  const base = new URL(baseUrl);
  const transport = createTransport(base, options.connect, options.ca);
  const cookies = createCookieJar(options.clock);
  const webSockets = new Set<AgentWebSocket>();
  const setCookie = (line: string) => cookies.store(base, line);

  for (const { origin, line } of options.like?.cookies.lines ?? []) {
    if (origin === base.origin) setCookie(line);
  }

  const send = async (url: URL, sent: Sent, context: CookieContext): Promise<OpenResponse> => {
    const cookie = cookies.header(url, context);
    const response = await transport.send(url, { ...sent, headers: { cookie, ...sent.headers } });
    for (const line of response.setCookies) cookies.store(url, line);
    return response;
  };

  const open = (path: string, { method = 'GET', headers = {}, ...rest }: AgentRequest = {}) =>
    send(new URL(path, base), { method, headers, ...rest }, SAME_ORIGIN);

  const request = async (path: string, init?: AgentRequest) => complete(await open(path, init));

  const navigate = createNavigation(base, send);

  return {
    origin: base.origin,
    cookies,
    setCookie,
    open,
    request,
    get: (path, init) => request(path, { ...init, method: 'GET' }),
    post: (path, init) => request(path, { ...init, method: 'POST' }),

    fetch: (path, { method = 'GET', headers, ...rest } = {}) =>
      request(path, {
        ...rest,
        method,
        headers: {
          accept: '*/*',
          'sec-fetch-site': 'same-origin',
          'sec-fetch-mode': 'cors',
          'sec-fetch-dest': 'empty',
          origin: method === 'GET' || method === 'HEAD' ? undefined : base.origin,
          ...headers,
        },
      }),

    navigate,

    signIn: async (returnTo, { loginHint } = {}) => {
      const query = new URLSearchParams({
        ...(returnTo !== undefined && { returnTo }),
        ...(loginHint !== undefined && { login_hint: loginHint }),
      });
      const navigation = await navigate(`/auth/login?${query}`, { from: 'page' });
      const callback = navigation.chain.find(({ url }) => new URL(url).pathname === '/auth/callback');
      const isSignedIn = callback?.status === 303 && !callback.header('location')?.includes('auth_error=');
      if (!isSignedIn) throw new Error(`the sign-in failed: ${describeChain(navigation.chain)}`);
      return navigation;
    },

    websocket: async (path, { origin = base.origin, protocols = [], headers } = {}) => {
      const url = new URL(path, base);
      const crossSite = origin !== url.origin;
      const socket = await openWebSocket(transport, url, protocols, {
        cookie: cookies.header(url, { crossSite, topLevelGet: false }),
        origin,
        'sec-fetch-site': crossSite ? 'cross-site' : 'same-origin',
        'sec-fetch-mode': 'websocket',
        'sec-fetch-dest': 'empty',
        ...headers,
      });
      webSockets.add(socket);
      return socket;
    },

    received: (origin) => transport.received(origin),
    close: () => {
      for (const socket of webSockets) socket.close();
      transport.close();
    },
  };
}
