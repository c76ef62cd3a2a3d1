import { type GatewayOptions, type RunningGateway, startGateway } from '../gateway/gateway.ts';
import { type Upstream, startUpstream } from '../upstream/upstream.ts';
import { requireToken } from '../upstream/behaviours.ts';
import type { AgentResponse } from '../user-agent/transport.ts';
import { type UserAgent, createUserAgent } from '../user-agent/user-agent.ts';
import { ACCOUNTS, type VendorApi, type VendorApiOptions, startVendorApi } from './vendor-api.ts';

/** Gateways in front of a vendor's API, all on one clock that the test controls. */
export type VendorFixture = {
  readonly vendor: VendorApi;
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  now(): number;
  advance(ms: number): void;
  /** Opens a browser at a gateway, by default the first. */
  browser(at?: RunningGateway): UserAgent;
  /** Starts another gateway behind the same base URL. */
  replica(): Promise<RunningGateway>;
  close(): Promise<void>;
};

/** Starts it; `section` adds keys to the `provider` section. The clock of the vendor differs from that of the gateway by `clockOffsetMs`. */
export async function openVendorFixture(
  options: Partial<Omit<GatewayOptions, 'provider' | 'upstream' | 'clock'>> = {},
  vendorOptions: VendorApiOptions = {},
  section: (url: string) => Record<string, unknown> = () => ({}),
): Promise<VendorFixture> {
  let aheadMs = 0;
  const clock = () => Date.now() + aheadMs;
  const [vendor, upstream] = await Promise.all([startVendorApi(clock, vendorOptions), startUpstream()]);
  upstream.respond(requireToken(vendor.isAccessTokenActive));
  const launch = (baseUrl?: string) =>
    startGateway({
      ...options,
      provider: { register: (url: string) => ({ ...vendor.register(url), ...section(vendor.url) }) },
      upstream,
      clock,
      ...(baseUrl && { baseUrl }),
    });
  const gateways = [await launch()];
  const agents: UserAgent[] = [];
  const [gateway] = gateways as [RunningGateway];

  return {
    vendor,
    upstream,
    gateway,
    now: clock,
    advance: (ms) => {
      aheadMs += ms;
    },
    browser: (at = gateway) => {
      const connect = { host: '127.0.0.1', port: at.port };
      const agent = createUserAgent(gateway.url, { connect, clock });
      agents.push(agent);
      return agent;
    },
    replica: async () => {
      const replica = await launch(gateway.url);
      gateways.push(replica);
      return replica;
    },
    close: async () => {
      for (const agent of agents) agent.close();
      await Promise.all(gateways.map((running) => running.close()));
      await Promise.all([vendor.close(), upstream.close()]);
    },
  };
}

/** The sign-in request of a page: an unchanged body, or the credentials of a user. */
export function postLogin(
  agent: UserAgent,
  body: string | { username: unknown; password: unknown } = {
    username: 'alice',
    password: ACCOUNTS['alice'],
  },
  headers: Record<string, string | undefined> = {},
): Promise<AgentResponse> {
  return agent.fetch('/auth/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
