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
  /** Starts another gateway behind the same base URL, and opens a browser on it with the cookies of `agent`. */
  replica(): Promise<UserAgent>;
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
  // A provider that registers a client again forgets its tokens.
  let section: Record<string, unknown> | undefined;
  const launch = (url: string | undefined) =>
    startGateway({
      provider: { register: (registeredUrl) => (section ??= fake.register(registeredUrl)) },
      upstream,
      config: {
        session,
        ...config,
        ...(routes && { routes: routes.map((route) => ({ upstream: upstream.url, ...route })) }),
      },
      clock,
      ...(url !== undefined && { baseUrl: url }),
    });
  const browser = ({ port, url }: RunningGateway, like?: UserAgent) =>
    createUserAgent(url, { clock, ca, connect: { host: '127.0.0.1', port }, like });
  const gateway = await launch(baseUrl);
  const agent = browser(gateway);
  const gateways = [gateway];
  const agents = [agent];

  return {
    fake,
    upstream,
    gateway,
    agent,
    advance: (ms) => {
      aheadMs += ms;
    },
    replica: async () => {
      const other = await launch(gateway.url);
      gateways.push(other);
      const elsewhere = browser(other, agent);
      agents.push(elsewhere);
      return elsewhere;
    },
    signIn: async () => {
      await (kind.signIn ?? ((browser) => browser.signIn()))(agent, fake);
    },
    spent: () => fake.tokenLedger().map(({ spent }) => spent),
    refreshes: () => fake.tokenCalls({ grant: 'refresh_token' }),
    close: async () => {
      for (const each of agents) each.close();
      await Promise.all(gateways.map((running) => running.close()));
      await Promise.all([fake.close(), upstream.close()]);
    },
  };
}
