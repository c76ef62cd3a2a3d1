/** What `GET /auth/session` says of a browser without a session. */
export interface SignedOut {
  authenticated: false;
  /** Where a navigation starts a sign-in. */
  loginUrl: string;
}

/** What `GET /auth/session` says of a browser with one. It never holds a token. */
export interface SignedIn {
  authenticated: true;
  /** The user's identifier at the provider (the ID token's `sub`). */
  subject: string;
  /** The ID-token claims that the gateway is configured to show. */
  claims: Record<string, unknown>;
  /** The session's public name, as in "my sessions". It opens nothing. */
  sessionId: string;
  /** Seconds until the session ends whatever happens. */
  expiresIn: number;
  /** Seconds until the session ends for want of use. */
  idleExpiresIn: number;
  loginUrl: string;
  /** Where a `POST` ends the session. */
  logoutUrl: string;
}

/** The state of the session; `authenticated` tells the two apart. */
export type Session = SignedOut | SignedIn;
