import { type RunningGateway, startGateway } from '../gateway/gateway.ts';
import { type Upstream, startUpstream } from '../upstream/upstream.ts';
import { requireToken } from '../upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../user-agent/user-agent.ts';
import type { ProviderFake, ProviderKind } from './provider-fake.ts';

/** A gateway with one kind of token server, an API and a browser, all on one clock that the test advances. */
export type ProviderFixture = {
  readonly fake: ProviderFake;
  /** Echoes requests that have an active access token of the provider. */
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  readonly agent: UserAgent;
  /** Advances the clock of all of them, in milliseconds. */
  advance(ms: number): void;
  signIn(): Promise<void>;
  /** How often each refresh token was spent, in order of issue. */
  spent(): number[];
  refreshes(): number;
  close(): Promise<void>;
};

/** `config` is merged over the default configuration; routes lead to the API. */
export type ProviderFixtureOptions = {
  config?: Record<string, unknown>;
  routes?: Record<string, unknown>[];
  /** A base URL with another origin than the address of the gateway. */
  baseUrl?: string;
  /** The authority that the browser trusts. */
  ca?: string;
};

/**
 * Opens a fixture for one kind of token server. Sessions last 90 days, since access tokens of some kinds
 * live for a day.
 */
export async function openProviderFixture(
  kind: Pick<ProviderKind, 'open' | 'signIn'>,
  { config, routes, ca, baseUrl }: ProviderFixtureOptions = {},
): Promise<ProviderFixture> {
  let aheadMs = 0;
  const clock = () => Date.now() + aheadMs;
  const [fake, upstream] = await Promise.all([kind.open(clock), startUpstream()]);
  upstream.respond(requireToken(fake.isAccessTokenActive));
  const session = { idleTimeout: '90d', absoluteTimeout: '90d' };
  const gateway = await startGateway({
    provider: fake,
    upstream,
    config: {
      session,
      ...config,
      ...(routes && { routes: routes.map((route) => ({ upstream: upstream.url, ...route })) }),
    },
    clock,
    ...(baseUrl !== undefined && { baseUrl }),
  });
  const connect = { host: '127.0.0.1', port: gateway.port };
  const agent = createUserAgent(gateway.url, { clock, ca, connect });

  return {
    fake,
    upstream,
    gateway,
    agent,
    advance: (ms) => {
      aheadMs += ms;
    },
    signIn: async () => {
      await (kind.signIn ?? ((browser) => browser.signIn()))(agent, fake);
    },
    spent: () => fake.tokenLedger().map(({ spent }) => spent),
    refreshes: () => fake.tokenCalls({ grant: 'refresh_token' }),
    close: async () => {
      agent.close();
      await gateway.close();
      await Promise.all([fake.close(), upstream.close()]);
    },
  };
}
