import { type FakeProvider, startFakeProvider } from '../fake-provider/fake-provider.ts';
import { type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
import { type Upstream, startUpstream } from '../upstream/upstream.ts';
import { requireToken } from '../upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from '../user-agent/user-agent.ts';

/** A gateway with a provider, an API and browsers, all in this process; a test controls the clock. */
export type TestGateway = {
  readonly provider: FakeProvider;
  /** Echoes requests that have an active access token of the provider. */
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  /** A browser, not signed in. */
  readonly agent: UserAgent;

  /** The time of the gateways and the browsers. The provider uses the machine's clock. */
  now(): number;
  /** Advances that time, in milliseconds. */
  advance(ms: number): void;
  /** Stops that time; only `advance` changes it afterwards. */
  stopClock(): void;
  /** Opens another browser, with the cookies of `like` if given, connected to `at` or to the first gateway. */
  browser(options?: { like?: UserAgent; at?: RunningGateway }): UserAgent;
  /** Starts another gateway behind the same base URL, with the same store. */
  replica(): Promise<RunningGateway>;
  close(): Promise<void>;
};

/** Differences from the default gateway; a given provider is closed with it. */
export type TestGatewayOptions = Partial<Omit<GatewayOptions, 'clock' | 'upstream' | 'provider'>> & {
  provider?: FakeProvider;
  /** Routes instead of the default ones, all to the test gateway's upstream. */
  routes?: Record<string, unknown>[];
};

/** Opens a test gateway. */
export async function openTestGateway({ routes, ...options }: TestGatewayOptions = {}): Promise<TestGateway> {
  const [provider, upstream] = await Promise.all([options.provider ?? startFakeProvider(), startUpstream()]);
  upstream.respond(requireToken(provider.isAccessTokenActive));
  const config = {
    ...options.config,
    ...(routes && { routes: routes.map((route) => ({ upstream: upstream.url, ...route })) }),
  };
  let aheadMs = 0;
  let stoppedAtMs: number | undefined;
  const clock = () => (stoppedAtMs ?? Date.now()) + aheadMs;
  const gateways: RunningGateway[] = [];
  const agents: UserAgent[] = [];

  const launch = async (baseUrl: string | undefined) => {
    const gateway = await startGateway({
      ...options,
      provider,
      upstream,
      config,
      clock,
      ...(baseUrl && { baseUrl }),
    });
    gateways.push(gateway);
    return gateway;
  };
  const gateway = await launch(options.baseUrl);
  const browser: TestGateway['browser'] = ({ like, at = gateway } = {}) => {
    const connect = { host: '127.0.0.1', port: at.port };
    const agent = createUserAgent(gateway.url, { connect, clock, like });
    agents.push(agent);
    return agent;
  };

  return {
    provider,
    upstream,
    gateway,
    agent: browser(),
    now: clock,
    advance: (ms) => {
      aheadMs += ms;
    },
    stopClock: () => {
      stoppedAtMs = Date.now();
    },
    browser,
    replica: () => launch(gateway.url),
    close: async () => {
      for (const agent of agents) agent.close();
      provider.faults.clear();
      await Promise.all(gateways.map((running) => running.close()));
      await Promise.all([provider.close(), upstream.close()]);
    },
  };
}
