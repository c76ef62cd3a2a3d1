import type { LedgerEntry } from '../fake-provider/tokens/families.ts';
import type { UserAgent } from '../user-agent/user-agent.ts';
import type { AgentResponse } from '../user-agent/transport.ts';

/** A fake token server of any kind, for test gateways and the common suite. */
export type ProviderFake = {
  /** Registers a gateway by its base URL and returns the `provider` section of its configuration. */
  register(baseUrl: string): Record<string, unknown>;
  /** True when the access token is active. */
  readonly isAccessTokenActive: (token: string) => boolean;
  /** Ends an access token before its expiry. */
  revokeAccessToken(token: string): void;
  /** The number of token requests, for one `grant_type` or all. */
  tokenCalls(filter?: { grant?: string }): number;
  /** Every refresh token issued, how often it was sent and used, and whether its family is alive. */
  tokenLedger(): LedgerEntry[];
  /** Presents a refresh token as an attacker with the client credentials would; returns the status. */
  replay(refreshToken: string): Promise<number>;
  /** Closes every connection and the port, as in an outage. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** One kind of token server: how its fake starts, and its quirks. */
export type ProviderKind = {
  name: string;
  /** Starts the fake. Its clock is that of the gateway, so that tokens expire at the same time for both. */
  open(clock: () => number): Promise<ProviderFake>;
  /** Signs in; by a navigation to `/auth/login` when absent. Throws when that fails. */
  signIn?(agent: UserAgent, fake: ProviderFake): Promise<unknown>;
  /** Confirms the sign-out on a page of the provider; absent when the provider shows none. */
  confirmSignOut?(agent: UserAgent, page: AgentResponse): Promise<AgentResponse>;
  /** The lifetime of an access token, in milliseconds. */
  lifeMs: number;
  /**
   * What a refresh does to refresh tokens: `kept`: the one of the sign-in stays in use; `added`: it returns a new one
   * and the old one stays valid; `spent`: it returns a new one and the old one becomes invalid at once or soon.
   */
  rotation: 'kept' | 'added' | 'spent';
  /** What the provider does when an old refresh token is reused after any grace period. */
  reuse: 'ends the session' | 'is allowed' | 'is rejected';
  /** The way of the browser at a sign-out: through the provider and back, or directly back. */
  signOut: 'there' | 'here';
  /** Whether a sign-out ends the refresh token at the provider. */
  revokes: boolean;
};
