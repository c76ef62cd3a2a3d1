import type { IncomingMessage } from 'node:http';

/** Who is signed in. */
export type HostSession = {
  /** Identifies the user at the provider. */
  readonly subject: string;
  /** The claims that `session.claims` names. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Names the session in the log and at the admin endpoints. It gives no access. */
  readonly sessionId: string;
  /** When the session ends without further use (ISO 8601). */
  readonly expiresAt: string;
};

/** What an access token must cover beyond the sign-in, as in `routes[].scopes` and `routes[].resource`. */
export type TokenRequest = {
  readonly scopes?: readonly string[];
  readonly resource?: string | readonly string[];
};

/** The sessions of requests that the host of the gateway handles itself. */
export type HostSessions = {
  /**
   * Finds who is signed in; undefined without a session, or for one that does not meet `login.require` any more. Does not extend the session. Rejects with a `GatewayError`:
   * `store_unavailable`, or `rate_limited` for a client that sends many forged cookies.
   */
  session(request: IncomingMessage): Promise<HostSession | undefined>;
  /**
   * Returns an access token that may be sent now, refreshed if it has expired, and extends the session as a call of a route
   * does. Rejects with a `GatewayError` when there is none: `session_required`, `session_expired`, `not_allowed`,
   * `step_up_required`, `rate_limited`, `provider_unavailable` or `store_unavailable`. With `step_up_required`,
   * `options.loginUrl` is where the user's browser gets what is missing.
   */
  accessToken(request: IncomingMessage, wanted?: TokenRequest): Promise<string>;
};
