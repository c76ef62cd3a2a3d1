import type { Audience } from '../tokens/audience.ts';
import type { TokenAnswer } from '../tokens/token-set.ts';

/** What a login attempt must remember until its callback; it goes into a sealed cookie, never to the provider. */
export type LoginAttempt = {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
};

/** What `GET /auth/login` may pass on to the provider. */
export type LoginHints = { readonly prompt?: 'none'; readonly loginHint?: string };

/** A person who has signed in: who they are, by the issuer's word, and their first tokens. */
export type SignIn = {
  readonly issuer: string;
  readonly subject: string;
  /** The provider's session (`sid` of OpenID back-channel logout), where it names one. */
  readonly providerSessionId?: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly answer: TokenAnswer;
  /** When the token request was sent, in milliseconds since the epoch. */
  readonly sentAtMs: number;
};

/** One use of a refresh token. */
export type RefreshRequest = {
  readonly refreshToken: string;
  /** Whose session it is: a refreshed ID token must name the same person (OpenID Connect Core, section 12.2). */
  readonly subject: string;
  /** What the access token is to be for. */
  readonly audience: Audience;
  /** Asked in the moment in which the request would go out on the wire: when it gives false, nothing is sent. */
  readonly maySend: () => boolean;
};

/**
 * How a refresh ended; there is nothing else it can be.
 * - `refreshed`: new tokens, sent for at `sentAtMs`;
 * - `rejected`: the refresh token is no longer good (`invalid_grant`);
 * - `identity_changed`: the answer's ID token is of another person, issuer or audience; its tokens must not be used;
 * - `misconfigured`: the provider refuses this client or this request: nothing is wrong with the session;
 * - `transient`: the provider could not answer now and the refresh token was not used;
 * - `ambiguous`: the request was sent and no usable answer came: the refresh token may have been used.
 */
export type RefreshOutcome =
  | {
      kind: 'refreshed';
      answer: TokenAnswer;
      claims: Readonly<Record<string, unknown>> | undefined;
      sentAtMs: number;
    }
  | { kind: 'rejected'; cause: unknown }
  | { kind: 'identity_changed'; refreshToken: string | undefined; cause: unknown }
  | { kind: 'misconfigured'; error: string; cause: unknown }
  | { kind: 'transient'; retryAfterSeconds: number | undefined; cause: unknown }
  | { kind: 'ambiguous'; cause: unknown };

/** Whether the provider has been reached: `never` since the start, `up` or `down` by the last exchange. */
export type ProviderState = 'never' | 'up' | 'down';

/** A token server, whatever its kind. The only place that knows its protocol. */
export type Provider = {
  /** Begins a login: where to send the browser, and what to remember. Throws `provider_unavailable`. */
  beginLogin(hints: LoginHints): Promise<{ url: URL; attempt: LoginAttempt }>;
  /**
   * Finishes a login with the URL the browser came back to. Throws `login_failed` with a reason, or
   * `provider_unavailable`.
   */
  finishLogin(callback: URL, attempt: LoginAttempt): Promise<SignIn>;
  /** Uses a refresh token once. Never throws. */
  refresh(request: RefreshRequest): Promise<RefreshOutcome>;
  /** Revokes a refresh token (RFC 7009); does nothing where the provider has no such endpoint. Throws when it failed. */
  revoke(refreshToken: string): Promise<void>;
  /**
   * Where the browser ends its session at the provider (OpenID RP-Initiated Logout 1.0), or undefined when the provider
   * has no such place or was never reached.
   */
  endSessionUrl(options: { postLogoutRedirectUri: string; idTokenHint: string | undefined }): URL | undefined;
  state(): ProviderState;
  /** Says in a sentence what was found at the provider, and what that means here. Throws `provider_unavailable`. */
  describe(): Promise<string>;
  /** Starts looking for the provider, and keeps looking until it is found. */
  start(): void;
  close(): void;
};
