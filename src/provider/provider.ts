import { GatewayError } from '../errors.ts';
import type { Audience } from '../tokens/audience.ts';
import type { ClientConfig } from '../config/schema/schema.ts';
import type { TokenResponse } from '../tokens/token-set.ts';
import type { CheckResult } from './finding.ts';
import type { LogoutTokens } from './oidc/logout-token.ts';

/** What a login attempt must remember until its callback; it goes into a sealed cookie, never to the provider. */
export type LoginAttempt = {
  /** Whom the browser was sent to: an answer of anybody else is no answer to it (RFC 9700, section 4.4.2). */
  readonly issuer: string;
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
  readonly answer: TokenResponse;
  /** When the token request was sent, in milliseconds since the epoch. */
  readonly sentAtMs: number;
  /** Set where the provider refreshes the tokens of this way of signing in elsewhere than those of the usual one. */
  readonly flow?: LoginFlow | undefined;
};

/** A way of signing in that the provider has to be reminded of at each refresh. */
export type LoginFlow = 'decoupled';

/**
 * A login that was refused after the provider had given tokens for it. Nobody may use them: who catches this gives the
 * refresh token back.
 */
export class UnusedTokensError extends GatewayError {
  readonly refreshToken: string | undefined;

  constructor({ code, options }: GatewayError, refreshToken: string | undefined) {
    super(code, options);
    this.refreshToken = refreshToken;
  }
}

/** One use of a refresh token. */
export type RefreshRequest = {
  readonly refreshToken: string;
  /** Whose session it is: a refreshed ID token must name the same person (OpenID Connect Core, section 12.2). */
  readonly subject: string;
  /** How the person signed in, as {@link SignIn.flow} said. */
  readonly flow?: LoginFlow | undefined;
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
 * - `misconfigured`: the provider refuses this client or this request, and says nothing about the session;
 * - `transient`: the provider could not answer now and the refresh token was not used;
 * - `ambiguous`: the request was sent and no usable response came: the refresh token may have been used.
 */
export type RefreshOutcome =
  | {
      kind: 'refreshed';
      answer: TokenResponse;
      claims: Readonly<Record<string, unknown>> | undefined;
      sentAtMs: number;
    }
  | { kind: 'rejected'; cause: unknown }
  | { kind: 'identity_changed'; refreshToken: string | undefined; cause: unknown }
  | { kind: 'misconfigured'; error: string; cause: unknown }
  | { kind: 'transient'; retryAfterSeconds: number | undefined; cause: unknown }
  | { kind: 'ambiguous'; retryAfterSeconds?: number | undefined; cause: unknown };

/**
 * How a revocation ended; there is nothing else it can be.
 * - `revoked`: the token is of no use any more, or this provider has no way to revoke one;
 * - `refused`: the provider will not do it, however often it is asked;
 * - `failed`: it was not done, and the token must be taken for a good one still (RFC 7009, section 2.2.1).
 */
export type RevocationOutcome =
  | { kind: 'revoked' }
  | { kind: 'refused'; cause: unknown }
  | { kind: 'failed'; retryAfterSeconds: number | undefined; cause: unknown };

/** Whether the provider has been reached: `unknown` since the start, `up` or `down` by the last exchange. */
export type ProviderState = 'unknown' | 'up' | 'down';

/** Signing in by a redirect to the provider and back. */
export type RedirectLogin = {
  /** Begins a login: where to send the browser, and what to remember. Throws `provider_unavailable`. */
  begin(hints: LoginHints): Promise<{ url: URL; attempt: LoginAttempt }>;
  /**
   * Finishes a login with the URL the browser came back to. Throws `login_failed` with a reason, or
   * `provider_unavailable`.
   */
  finish(callback: URL, attempt: LoginAttempt): Promise<SignIn>;
};

/** Signing in by a user name and password, which the provider's own login endpoint takes. */
export type PasswordLogin = {
  /**
   * Shows them to the provider once, and keeps neither. Throws `credentials_rejected`, `login_failed` with a reason, or
   * `provider_unavailable`.
   */
  signIn(credentials: { readonly username: string; readonly password: string }): Promise<SignIn>;
};

/** Signing in on another device, while this one asks now and then how it went (OpenID CIBA Core 1.0, poll mode). */
export type DecoupledLogin = {
  /** Has the provider ask the person. Throws `login_failed` with a reason, `login_denied`, or `provider_unavailable`. */
  begin(hints: DecoupledHints): Promise<DecoupledAttempt>;
  /** Asks the provider once. Throws as {@link DecoupledLogin.begin} does; the attempt may be asked about again. */
  poll(id: string): Promise<DecoupledOutcome>;
};

/** What a page may say of a sign-in on another device. */
export type DecoupledHints = {
  /** Who is to be asked. */
  readonly loginHint?: string | undefined;
  /** What both devices show, so that the person sees that they belong together. */
  readonly bindingMessage?: string | undefined;
};

/** A sign-in that somebody has been asked for on another device. */
export type DecoupledAttempt = {
  /** The provider's name for it: with it, and our credentials, the tokens can be had. A secret. */
  readonly id: string;
  readonly expiresInSeconds: number;
  /** The least time between two questions about it. */
  readonly intervalSeconds: number;
};

/** How it goes on the other device; `slow_down` is `pending` with the wish to be asked less often. */
export type DecoupledOutcome =
  | { kind: 'pending' }
  | { kind: 'slow_down' }
  | { kind: 'signed_in'; signIn: SignIn }
  | { kind: 'denied' }
  | { kind: 'expired' };

/**
 * A token server, whatever its kind. The only place that knows its protocol. It has one way of signing in at least.
 */
export type Provider = {
  /** By whose word people are signed in: the issuer of every session. */
  readonly issuer: string;
  readonly redirectLogin?: RedirectLogin | undefined;
  readonly passwordLogin?: PasswordLogin | undefined;
  readonly decoupledLogin?: DecoupledLogin | undefined;
  /** Checks what it says of sign-ins that it has ended; absent for a provider that never does. */
  readonly logoutTokens?: LogoutTokens | undefined;
  /** Uses a refresh token once. Never throws. */
  refresh(request: RefreshRequest): Promise<RefreshOutcome>;
  /** Revokes a refresh token (RFC 7009); does nothing where the provider has no such endpoint. Never throws. */
  revoke(refreshToken: string): Promise<RevocationOutcome>;
  /**
   * Where the browser ends its session at the provider (OpenID RP-Initiated Logout 1.0), or undefined when the provider
   * has no such place or was never reached.
   */
  endSessionUrl(options: { postLogoutRedirectUri: string; idTokenHint: string | undefined }): URL | undefined;
  /** Uses other client credentials from now on; absent where the kind has none. */
  readonly replaceCredentials?: (config: ClientConfig) => void;
  state(): ProviderState;
  /** Why discovery has not succeeded yet, as far as an attempt has failed; for operators, without secrets. */
  notReadyReason(): string | undefined;
  /** Says what was found at the provider, and what that means for its configuration. Throws `provider_unavailable`. */
  diagnose(): Promise<readonly CheckResult[]>;
  /** Starts looking for the provider, and keeps looking until it is found. */
  start(): void;
  close(): void;
};
