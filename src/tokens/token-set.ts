/** An access token and its lifetime. Times are milliseconds since the epoch on this machine's clock. */
export type AccessToken = {
  readonly value: string;
  /** When its request was sent; its lifetime starts there. */
  readonly obtainedAtMs: number;
  /** Undefined when the provider names no lifetime. */
  readonly expiresAtMs?: number | undefined;
  readonly scope?: string | undefined;
};

/** The tokens of one session: access tokens for one audience or several, all refreshed by the one refresh token. */
export type TokenSet = {
  /** By the id of their audience; the empty id is that of the sign-in. */
  readonly access: Readonly<Record<string, AccessToken>>;
  readonly refreshToken?: string | undefined;
  /** Undefined when the provider names none. */
  readonly refreshExpiresAtMs?: number | undefined;
  readonly idToken?: string | undefined;
};

/** The refresh token of an earlier token set, which stays in use where a response has none, and its end. */
export type KeptRefreshToken = Pick<TokenSet, 'refreshToken' | 'refreshExpiresAtMs'>;

/** The members of a token response that the gateway uses. Lifetimes are seconds from when the request was sent. */
export type TokenResponse = {
  readonly accessToken: string;
  readonly expiresInSeconds?: number | undefined;
  readonly scope?: string | undefined;
  readonly refreshToken?: string | undefined;
  readonly refreshExpiresInSeconds?: number | undefined;
  readonly idToken?: string | undefined;
};

/** A response to a refresh. Its access token may be unusable; its refresh token counts even then. */
export type RefreshResponse = Omit<TokenResponse, 'accessToken'> & {
  readonly accessToken: string | undefined;
};

/**
 * The token set of a new session, from the response to its first token request, sent at `sentAtMs`. A response without a
 * refresh token leaves that of `earlier` in use.
 */
export function createTokenSet(
  response: TokenResponse,
  sentAtMs: number,
  { refreshToken, refreshExpiresAtMs }: KeptRefreshToken = {},
): TokenSet {
  return mergeRefreshResponse({ access: {}, refreshToken, refreshExpiresAtMs }, '', response, sentAtMs);
}

/**
 * Merges the response to a refresh for one audience into the tokens of the session (RFC 6749, section 6). A refresh token
 * replaces the old one, which otherwise stays in use; without a scope the scope is unchanged; without an ID token the old
 * one is kept for the logout request. The access tokens of other audiences stay as they are, and so does that of this one
 * when the response has none.
 */
export function mergeRefreshResponse(
  old: TokenSet,
  audienceId: string,
  response: RefreshResponse,
  sentAtMs: number,
): TokenSet {
  const { accessToken } = response;
  const access: AccessToken | undefined =
    accessToken === undefined
      ? old.access[audienceId]
      : {
          value: accessToken,
          obtainedAtMs: sentAtMs,
          expiresAtMs: expiryOf(response.expiresInSeconds, sentAtMs),
          scope: response.scope ?? old.access[audienceId]?.scope,
        };
  return {
    access: access === undefined ? old.access : { ...old.access, [audienceId]: access },
    refreshToken: response.refreshToken ?? old.refreshToken,
    refreshExpiresAtMs:
      expiryOf(response.refreshExpiresInSeconds, sentAtMs) ??
      // The end of the old refresh token says nothing about a new one.
      (response.refreshToken === undefined ? old.refreshExpiresAtMs : undefined),
    idToken: response.idToken ?? old.idToken,
  };
}

/** The access token of a response to a request that was sent at `sentAtMs`. */
export function createAccessToken(response: {
  readonly accessToken: string;
  readonly expiresInSeconds: number | undefined;
  readonly sentAtMs: number;
}): AccessToken {
  const { accessToken: value, expiresInSeconds, sentAtMs } = response;
  return { value, obtainedAtMs: sentAtMs, expiresAtMs: expiryOf(expiresInSeconds, sentAtMs) };
}

/** Lifetimes beyond one year count as one year: enormous numbers must not overflow a date or a timer. */
const MAX_LIFETIME_SECONDS = 365 * 24 * 3600;

function expiryOf(seconds: number | undefined, fromMs: number): number | undefined {
  return seconds === undefined
    ? undefined
    : fromMs + Math.floor(Math.min(seconds, MAX_LIFETIME_SECONDS) * 1000);
}
