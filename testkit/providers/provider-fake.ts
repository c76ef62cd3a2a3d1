import type { LedgerEntry } from '../fake-provider/families.ts';
import type { UserAgent } from '../user-agent/user-agent.ts';
import type { AgentResponse } from '../user-agent/transport.ts';

/** A fake token server of any kind, for test gateways and the suite of all kinds. */
export type ProviderFake = {
  /** Registers a gateway by its base URL and returns the `provider` section of its configuration. */
  register(baseUrl: string): Record<string, unknown>;
  /** Whether an upstream that asks would accept the access token now. */
  readonly isAccessTokenActive: (token: string) => boolean;
  /** Ends an access token before its time. */
  revokeAccessToken(token: string): void;
  /** How many token requests came, of one `grant_type` or of all. */
  tokenCalls(filter?: { grant?: string }): number;
  /** Every refresh token issued, how often it was sent and used, and whether its family is alive. */
  tokenLedger(): LedgerEntry[];
  /** Sends a refresh token like an attacker who has the client's credentials; returns the status. */
  replay(refreshToken: string): Promise<number>;
  /** Cuts every connection and closes the port, as if the provider were down. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** One kind of token server: how its fake is started, and what a gateway in front of it has to live with. */
export type ProviderKind = {
  name: string;
  /** Starts the fake. Its clock is that of the gateway, so that both see the same end of a token. */
  open(clock: () => number): Promise<ProviderFake>;
  /** Signs in; by a navigation to `/auth/login` when absent. Throws when that fails. */
  signIn?(agent: UserAgent, fake: ProviderFake): Promise<unknown>;
  /** Says yes to a page on which the provider asks before it signs out; absent where none asks. */
  confirmSignOut?(agent: UserAgent, page: AgentResponse): Promise<AgentResponse>;
  /** The life of an access token, in milliseconds. */
  lifeMs: number;
  /**
   * What a refresh does to refresh tokens: `kept`: the one of the sign-in is used for ever; `added`: it brings another,
   * and the old one stays good; `spent`: it brings another, and the old one is soon or at once good for nothing.
   */
  rotation: 'kept' | 'added' | 'spent';
  /** What the provider does when an old refresh token is reused after any grace period. */
  reuse: 'ends the session' | 'is borne' | 'is refused';
  /** Where a sign-out leads the browser: over the provider and back, or straight back. */
  signOut: 'there' | 'here';
  /** Whether a sign-out ends the refresh token at the provider. */
  revokes: boolean;
};
