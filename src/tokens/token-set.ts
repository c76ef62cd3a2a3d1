/** An access token and its life. Times are milliseconds since the epoch on this machine's clock. */
export type AccessToken = {
  readonly value: string;
  /** When the request that brought it was sent: its life is counted from there. */
  readonly obtainedAtMs: number;
  /** When it ends; undefined when the provider did not say. */
  readonly expiresAtMs?: number | undefined;
  readonly scope?: string | undefined;
};

/** The tokens of one session: access tokens for one audience or several, all renewed by the one refresh token. */
export type TokenSet = {
  /** By the id of their audience; the empty id is that of the sign-in. */
  readonly access: Readonly<Record<string, AccessToken>>;
  readonly refreshToken?: string | undefined;
  /** The known end of the refresh token's life, where the provider tells one. */
  readonly refreshExpiresAtMs?: number | undefined;
  readonly idToken?: string | undefined;
};

/** A token endpoint's answer, reduced to what concerns us. Lifetimes are seconds from when the request was sent. */
export type TokenResponse = {
  readonly accessToken: string;
  readonly expiresInSeconds?: number | undefined;
  readonly scope?: string | undefined;
  readonly refreshToken?: string | undefined;
  readonly refreshExpiresInSeconds?: number | undefined;
  readonly idToken?: string | undefined;
};

/** Makes the token set of a new session from the answer to its first token request, sent at `sentAtMs`. */
export function createTokenSet(answer: TokenResponse, sentAtMs: number): TokenSet {
  return mergeRefreshResponse({ access: {} }, '', answer, sentAtMs);
}

/**
 * Merges a refresh answer for one audience into the tokens it renews (RFC 6749, section 6): without a refresh token the
 * old one stays in use, with one the old one is discarded; without a scope the scope is unchanged; without an ID token
 * the old one is kept for the logout request. The access tokens of other audiences stay as they are.
 */
export function mergeRefreshResponse(
  old: TokenSet,
  audienceId: string,
  answer: TokenResponse,
  sentAtMs: number,
): TokenSet {
  const access: AccessToken = {
    value: answer.accessToken,
    obtainedAtMs: sentAtMs,
    expiresAtMs: endOf(answer.expiresInSeconds, sentAtMs),
    scope: answer.scope ?? old.access[audienceId]?.scope,
  };
  return {
    access: { ...old.access, [audienceId]: access },
    refreshToken: answer.refreshToken ?? old.refreshToken,
    refreshExpiresAtMs:
      endOf(answer.refreshExpiresInSeconds, sentAtMs) ??
      // A new refresh token has a life of its own, known or not; the old one's end goes with the old one.
      (answer.refreshToken === undefined ? old.refreshExpiresAtMs : undefined),
    idToken: answer.idToken ?? old.idToken,
  };
}

/** Lifetimes beyond one year count as one year: enormous numbers must not overflow a date or a timer. */
const MAX_LIFETIME_SECONDS = 365 * 24 * 3600;

function endOf(seconds: number | undefined, fromMs: number): number | undefined {
  return seconds === undefined
    ? undefined
    : fromMs + Math.floor(Math.min(seconds, MAX_LIFETIME_SECONDS) * 1000);
}
