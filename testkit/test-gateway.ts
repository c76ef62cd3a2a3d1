import { type FakeProvider, startFakeProvider } from './fake-provider.ts';
import { type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
import { type Upstream, startUpstream } from './upstream.ts';
import { requireToken } from './upstream/behaviours.ts';
import { type UserAgent, createUserAgent } from './user-agent.ts';

/** A gateway between a provider, an API and browsers, all in this process and on one clock that a test moves. */
export type TestGateway = {
  readonly provider: FakeProvider;
  /** Accepts the access tokens that the provider holds active, and echoes. */
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  /** A browser, not signed in. */
  readonly agent: UserAgent;

  /** The time of the gateways and the browsers. The provider is on the machine's own. */
  now(): number;
  /** Moves that time on, by milliseconds. */
  advance(ms: number): void;
  /** From now on that time only moves by `advance`. */
  stopClock(): void;
  /** Opens another browser, or one that has the cookies of `like`; it connects to `at`, by default the first gateway. */
  browser(options?: { like?: UserAgent; at?: RunningGateway }): UserAgent;
  /** Starts another gateway behind the same base URL, with the same store. */
  replica(): Promise<RunningGateway>;
  close(): Promise<void>;
};

/** What differs from the usual gateway; a provider that is given is closed with the rest. */
export type TestGatewayOptions = Partial<Omit<GatewayOptions, 'clock' | 'upstream' | 'provider'>> & {
  provider?: FakeProvider;
  /** Routes in place of the usual ones, all to the upstream of the test gateway. */
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
