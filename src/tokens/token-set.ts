/** The tokens of one session. Times are milliseconds since the epoch on this machine's clock. */
export type TokenSet = {
  readonly accessToken: string;
  /** When the request that brought the access token was sent: its life is counted from there. */
  readonly obtainedAtMs: number;
  /** When the access token ends; undefined when the provider did not say. */
  readonly expiresAtMs?: number | undefined;
  readonly scope?: string | undefined;
  readonly refreshToken?: string | undefined;
  /** The known end of the refresh token's life, where the provider tells one. */
  readonly refreshExpiresAtMs?: number | undefined;
  readonly idToken?: string | undefined;
};

/** A token endpoint's answer, reduced to what concerns us. Lifetimes are seconds from when the request was sent. */
export type TokenAnswer = {
  readonly accessToken: string;
  readonly expiresInSeconds?: number | undefined;
  readonly scope?: string | undefined;
  readonly refreshToken?: string | undefined;
  readonly refreshExpiresInSeconds?: number | undefined;
  readonly idToken?: string | undefined;
};

/** Makes the token set of a new session from the answer to its first token request, sent at `sentAtMs`. */
export function createTokenSet(answer: TokenAnswer, sentAtMs: number): TokenSet {
  return {
    accessToken: answer.accessToken,
    obtainedAtMs: sentAtMs,
    expiresAtMs: endOf(answer.expiresInSeconds, sentAtMs),
    scope: answer.scope,
    refreshToken: answer.refreshToken,
    refreshExpiresAtMs: endOf(answer.refreshExpiresInSeconds, sentAtMs),
    idToken: answer.idToken,
  };
}

/**
 * Merges a refresh answer into the tokens it renews (RFC 6749, section 6): without a refresh token the old one stays in
 * use, with one the old one is discarded; without a scope the scope is unchanged; without an ID token the old one is
 * kept for the logout request.
 */
export function mergeRefreshAnswer(old: TokenSet, answer: TokenAnswer, sentAtMs: number): TokenSet {
  const fresh = createTokenSet(answer, sentAtMs);
  return {
    ...fresh,
    scope: fresh.scope ?? old.scope,
    idToken: fresh.idToken ?? old.idToken,
    refreshToken: fresh.refreshToken ?? old.refreshToken,
    // A new refresh token has a life of its own, known or not; the old one's end goes with the old one.
    refreshExpiresAtMs: fresh.refreshExpiresAtMs ?? (fresh.refreshToken === undefined ? old.refreshExpiresAtMs : undefined),
  };
}

/** Lifetimes beyond one year count as one year: enormous numbers must not overflow a date or a timer. */
const MAX_LIFETIME_SECONDS = 365 * 24 * 3600;

function endOf(seconds: number | undefined, fromMs: number): number | undefined {
  return seconds === undefined ? undefined : fromMs + Math.floor(Math.min(seconds, MAX_LIFETIME_SECONDS) * 1000);
}
