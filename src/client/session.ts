/** The response of `GET /auth/session` without a session. */
export interface SignedOut {
  authenticated: false;
  /** Navigate to this path to start a sign-in. */
  loginUrl: string;
}

/** The response of `GET /auth/session` with a session. It never contains a token. */
export interface SignedIn<Claims = Record<string, unknown>> {
  authenticated: true;
  /** The user's identifier at the provider (the ID token's `sub`). */
  subject: string;
  /** The ID token claims listed in the gateway's configuration. */
  claims: Claims;
  /** The session's public identifier, as in the session list. It grants no access. */
  sessionId: string;
  /**
   * Seconds until the session ends, however much it is used: at its absolute limit, or at an earlier limit of the provider,
   * which a refresh of its tokens may move. Without a refresh token, it can end with its access token.
   */
  expiresIn: number;
  /** Seconds until the session ends after inactivity; never more than `expiresIn`. */
  idleExpiresIn: number;
  loginUrl: string;
  /** A `POST` to this path ends the session. */
  logoutUrl: string;
}

/** The state of the session, discriminated by `authenticated`. */
export type Session<Claims = Record<string, unknown>> = SignedOut | SignedIn<Claims>;
