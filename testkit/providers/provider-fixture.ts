import { type RunningGateway, startGateway } from '../gateway.ts';
import { type Upstream, startUpstream } from '../upstream.ts';
import { requireToken } from '../upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../user-agent.ts';
import type { ProviderFake, ProviderKind } from './provider-fake.ts';

/** A gateway between one kind of token server, an API and a browser, all on one clock that the test moves. */
export type ProviderFixture = {
  readonly fake: ProviderFake;
  /** Accepts the access tokens that the provider holds active, and echoes. */
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  readonly agent: UserAgent;
  /** Moves the time of all on, by milliseconds. */
  advance(ms: number): void;
  signIn(): Promise<void>;
  /** How often each refresh token was spent, in order of issue. */
  spent(): number[];
  refreshes(): number;
  close(): Promise<void>;
};

/** What differs from the usual configuration, over which `config` is merged; routes lead to the API. */
export type ProviderFixtureOptions = { config?: Record<string, unknown>; routes?: Record<string, unknown>[] };

/**
 * Starts everything for one kind of token server. Sessions have no limit of their own, since access tokens of some kinds
 * live for a day.
 */
export async function openProviderFixture(
  kind: Pick<ProviderKind, 'open' | 'signIn'>,
  { config, routes }: ProviderFixtureOptions = {},
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
  });
  const agent = createUserAgent(gateway.url, { clock });

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
