import { createHash } from 'node:crypto';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import type { HeaderList } from '../../../testkit/network/header-list.ts';
import {
  type RawConnection,
  type RawOptions,
  openRaw,
  rawRequest,
} from '../../../testkit/network/raw-client.ts';
import type { RawResponse } from '../../../testkit/network/raw-response.ts';
import { type RawUpstream, startRawUpstream } from '../../../testkit/network/raw-upstream.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { type Behaviour, echo } from '../../../testkit/upstream/behaviours.ts';
import type { UpstreamRequest } from '../../../testkit/upstream/request.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** A gateway between a provider and an upstream, with a signed-in user, for tests that send HTTP as bytes. */
export type Fixture = {
  readonly provider: FakeProvider;
  readonly upstream: Upstream;
  /** The upstream of the raw routes. */
  readonly raw: RawUpstream;
  readonly gateway: RunningGateway;
  /** Has the session cookie. */
  readonly agent: UserAgent;
  /** The host and port of the gateway. */
  readonly host: string;
  /** The session cookie, as in a Cookie field. */
  readonly ticket: string;
  /** The head of a request: the request line, what a page of the gateway's origin sends with it, and further fields. */
  head(requestLine: string, ...fields: string[]): string;
  /** Sends one such request over a connection of its own, and returns the response. */
  send(
    requestLine: string,
    fields?: readonly string[],
    body?: string | Buffer,
    options?: RawOptions,
  ): Promise<RawResponse>;
  /** Opens a connection to the gateway. */
  open(options?: RawOptions): Promise<RawConnection>;
  /** The one request that reached the upstream since the last call. Throws when there was another number of them. */
  received(): UpstreamRequest;
  /** Forgets the requests to the upstream, which echoes again. */
  reset(): void;
  /** The access and refresh tokens in the responses to the agent or in the log. */
  leaks(): string[];
  close(): Promise<void>;
};

/** The changes to the default gateway. */
export type FixtureOptions = {
  /** Routes beside `/api`, `/optional`, `/public` and `/socket`, or in place of them; to the upstream where they name none. */
  routes?: Record<string, unknown>[];
  /** Further routes, to a raw upstream. */
  rawRoutes?: Record<string, unknown>[];
  /** Other keys of the configuration file. */
  config?: Record<string, unknown>;
  store?: string;
};

/** Starts all parts and signs in. */
export async function openFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const [provider, upstream, raw] = await Promise.all([
    startFakeProvider(),
    startUpstream(),
    startRawUpstream(),
  ]);
  const gateway = await startGateway({
    provider,
    upstream,
    config: {
      routes: [
        ...routesTo(upstream, options.routes),
        ...(options.rawRoutes ?? []).map((route) => ({ upstream: raw.url, ...route })),
      ],
      ...options.config,
    },
    ...(options.store && { store: options.store }),
  });
  const agent = createUserAgent(gateway.url);
  await agent.signIn('/');
  const { host } = new URL(gateway.url);
  const ticket = agent.cookies.header(new URL(gateway.url), { crossSite: false, topLevelGet: true }) ?? '';

  const head = headsOf(host, ticket);
  const reset = () => {
    upstream.respond(echo);
    upstream.requests.length = 0;
  };

  return {
    provider,
    upstream,
    raw,
    gateway,
    agent,
    host,
    ticket,
    head,
    open: (connection) => openRaw(gateway.port, connection),
    send: (requestLine, fields = [], body = '', connection) =>
      rawRequest(
        gateway.port,
        Buffer.concat([Buffer.from(head(requestLine, ...fields), 'latin1'), Buffer.from(body)]),
        connection,
      ),
    received: () => {
      const [request, ...others] = upstream.requests.splice(0);
      if (request === undefined || others.length > 0) {
        throw new Error(
          `${others.length + (request === undefined ? 0 : 1)} requests reached the upstream, not one`,
        );
      }
      return request;
    },
    reset,
    leaks: () => {
      const seen = agent.received(gateway.url) + gateway.logs();
      return provider.secrets(['access_token', 'refresh_token']).filter((secret) => seen.includes(secret));
    },
    close: async () => {
      agent.close();
      await gateway.close();
      await Promise.all([provider.close(), upstream.close(), raw.close()]);
    },
  };
}

function routesTo(
  upstream: Upstream,
  routes: readonly Record<string, unknown>[] = [],
): Record<string, unknown>[] {
  const usual = [
    { path: '/api' },
    { path: '/optional', auth: 'optional' },
    { path: '/public', auth: 'none' },
    { path: '/socket', websocket: true },
  ].filter(({ path }) => !routes.some((route) => route['path'] === path));
  return [...usual, ...routes].map((route) => ({ upstream: upstream.url, ...route }));
}

/** Makes the heads of requests that a page of this host sends, with this session cookie. */
export function headsOf(host: string, ticket: string): Fixture['head'] {
  return (requestLine, ...fields) => anonymousHead(host, requestLine, `Cookie: ${ticket}`, ...fields);
}

/** The head of a request that a page of this host sends without a session. */
export function anonymousHead(host: string, requestLine: string, ...fields: string[]): string {
  return [requestLine, `Host: ${host}`, 'Sec-Fetch-Site: same-origin', ...fields, '', ''].join('\r\n');
}

/** Responds with `ok` and these fields. */
export function respondingWith(headers: Record<string, string | string[]>, code = 200): Behaviour {
  return (_request, response) => {
    response.writeHead(code, headers).end('ok');
  };
}

/** The code of a problem response. */
export function codeOf(response: { body: Buffer }): unknown {
  return JSON.parse(response.body.toString()).code;
}

/** The names of fields, in lower case and each once. */
export function namesOf(headers: HeaderList): string[] {
  return [...new Set(headers.map(([name]) => name.toLowerCase()))];
}

export function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
