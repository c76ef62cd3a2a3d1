import type { BindingMessageSource } from '../config/values/binding-message.ts';
import type { DpopKey } from '../dpop/key.ts';
import { GatewayError, type StepUpRequirement } from '../errors.ts';
import type { Audience } from '../tokens/audience.ts';
import type { RefreshResponse, TokenResponse } from '../tokens/token-set.ts';
import type { CheckResult } from './check-result.ts';
import type { TokenGrants } from './grants/token-grants.ts';
import type { LogoutTokens } from './oidc/logout-token.ts';

/** The state of a login attempt until its callback, sealed in the store, or in a cookie while the store is down. */
export type LoginAttempt = {
  /** Where the browser was sent; a response of another issuer is not accepted (RFC 9700, section 4.4.2). */
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  /** The key that the tokens will be bound to, which becomes that of the session (RFC 9449); absent for bearer tokens. */
  readonly dpopKey?: DpopKey | undefined;
  /** The `max_age` that the page asked for, in seconds: the ID token must meet it. */
  readonly maxAge?: number | undefined;
  /** Of a step-up: what the sign-in must bring. Whoever finishes the login checks it. */
  readonly stepUp?: StepUpRequirement | undefined;
};

/** What the page asks of the provider for one sign-in. */
export type LoginHints = {
  /** Parameters of the authorization request, which replace fixed ones: the caller has checked that they may. Never those of the protocol. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Of a step-up: what the sign-in must bring. */
  readonly stepUp?: StepUpRequirement | undefined;
};

/** A completed sign-in: the user, according to the issuer, and their first tokens. */
export type SignIn = {
  readonly issuer: string;
  readonly subject: string;
  /** The provider's session (`sid` of OpenID back-channel logout), where it names one. */
  readonly providerSessionId?: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Claims of the userinfo endpoint that `claims` lack. */
  readonly userinfo?: Readonly<Record<string, unknown>> | undefined;
  readonly tokenResponse: TokenResponse;
  /** When the token request was sent, in milliseconds since the epoch. */
  readonly sentAtMs: number;
  /** The key that the access token is bound to (RFC 9449); absent for a bearer token. */
  readonly dpopKey?: DpopKey | undefined;
  /** Set when the provider refreshes the tokens of this flow at another endpoint than usual. */
  readonly flow?: LoginFlow | undefined;
};

/** The sign-in flow, which each refresh must name. */
export type LoginFlow = 'decoupled';

/** A login that was rejected after the provider issued tokens for it. The catcher must revoke the refresh token. */
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
  /** The {@link SignIn.dpopKey} of the session: the new access token must be bound to it as well. */
  readonly dpopKey?: DpopKey | undefined;
  /** A refreshed ID token must name the same subject (OpenID Connect Core, section 12.2). */
  readonly subject: string;
  /** The {@link SignIn.flow} of the session. */
  readonly flow?: LoginFlow | undefined;
  /** The audience of the requested access token. */
  readonly audience: Audience;
  /** True when the grant covers more resources than the sign-in's: where the audience has none, the latter must be named. */
  readonly namesResource?: boolean;
  /** Called right before the request is written; when it returns false, nothing is sent. */
  readonly maySend: () => boolean;
};

/**
 * How a refresh ended.
 * - `refreshed`: new tokens, requested at `sentAtMs`; the access token is undefined when it cannot be sent to an API;
 * - `rejected`: the refresh token is no longer valid (`invalid_grant`);
 * - `identity_changed`: the ID token names another subject, issuer or audience; the tokens must not be used;
 * - `misconfigured`: the provider rejects this client or this request; the session is not at fault;
 * - `transient`: the provider is unavailable for now, and the refresh token was not used;
 * - `ambiguous`: the request was sent without a usable response; the refresh token may have been used.
 */
export type RefreshOutcome =
  | {
      kind: 'refreshed';
      tokenResponse: RefreshResponse;
      claims: Readonly<Record<string, unknown>> | undefined;
      sentAtMs: number;
    }
  | { kind: 'rejected'; cause: unknown }
  | { kind: 'identity_changed'; refreshToken: string | undefined; cause: unknown }
  | { kind: 'misconfigured'; error: string; cause: unknown }
  | { kind: 'transient'; retryAfterSeconds: number | undefined; cause: unknown }
  | { kind: 'ambiguous'; retryAfterSeconds?: number | undefined; cause: unknown };

/**
 * How a revocation ended.
 * - `revoked`: the token is no longer valid, or the provider cannot revoke tokens;
 * - `refused`: the provider will not revoke the token; another attempt is pointless;
 * - `failed`: the token was not revoked and may still be valid (RFC 7009, section 2.2.1).
 */
export type RevocationOutcome =
  | { kind: 'revoked' }
  | { kind: 'refused'; cause: unknown }
  | { kind: 'failed'; retryAfterSeconds: number | undefined; cause: unknown };

/** `unknown` until discovery has succeeded, then `up` or `down` by the last call. */
export type ProviderState = 'unknown' | 'up' | 'down';

/** Sign-in by a redirect to the provider and back. */
export type RedirectLogin = {
  /**
   * Reads the `state` of a response that is one signed JWT, without verification: it only selects the sign-in. Undefined when
   * responses are parameters. Throws `provider_unavailable`.
   */
  readonly jwtStateOf?: ((response: string) => Promise<string | undefined>) | undefined;
  /** Starts a login: returns the redirect and the state to keep. Throws `provider_unavailable`. */
  begin(hints: LoginHints): Promise<{ url: URL; attempt: LoginAttempt }>;
  /**
   * Finishes a login with the URL the browser came back to. Throws `login_failed` with a reason, or
   * `provider_unavailable`.
   */
  finish(callback: URL, attempt: LoginAttempt): Promise<SignIn>;
};

/** Sign-in by a user name and password at the provider's own login endpoint. */
export type PasswordLogin = {
  /**
   * Sends both to the provider once and stores neither. Throws `credentials_rejected`, `login_failed` with a reason, or
   * `provider_unavailable`.
   */
  signIn(credentials: { readonly username: string; readonly password: string }): Promise<SignIn>;
};

/** Sign-in on another device, while this one polls for the result (OpenID CIBA Core 1.0, poll mode). */
export type DecoupledLogin = {
  /** Makes the provider ask the user for approval. Throws `login_failed` with a reason, `login_denied`, or `provider_unavailable`. */
  begin(hints: DecoupledHints): Promise<DecoupledAttempt>;
  /**
   * Polls once. Throws like {@link DecoupledLogin.begin}; after `provider_unavailable` the attempt may be polled again. Throws
   * {@link UnusedTokensError} when the provider has issued tokens that cannot be used, or may have issued tokens in a response
   * that did not arrive; the attempt must not be polled again.
   */
  poll(id: string): Promise<DecoupledOutcome>;
  /** The longest duration of a poll, in milliseconds. */
  readonly maxPollMs: number;
  /** The source of {@link DecoupledHints.bindingMessage}. */
  readonly bindingMessage: BindingMessageSource;
};

/** The parameters of a sign-in on another device. */
export type DecoupledHints = {
  /** The user whose approval is requested. */
  readonly loginHint?: string | undefined;
  /** Both devices show it, so that the user can see that they belong together. */
  readonly bindingMessage?: string | undefined;
};

/** A sign-in that waits for the user's approval on another device. */
export type DecoupledAttempt = {
  /** The provider's identifier of the sign-in. A secret: with the client credentials it yields the tokens. */
  readonly id: string;
  readonly expiresInSeconds: number;
  /** The shortest pause between two polls. */
  readonly intervalSeconds: number;
};

/** The state of a sign-in on another device; `slow_down` is `pending` and asks for a longer interval. */
export type DecoupledOutcome =
  | { kind: 'pending' }
  | { kind: 'slow_down' }
  | { kind: 'signed_in'; signIn: SignIn }
  | { kind: 'denied' }
  | { kind: 'expired' };

/** A token server, whatever its kind. It has at least one of the three logins. */
export type Provider = {
  /** The issuer of every session. */
  readonly issuer: string;
  readonly redirectLogin?: RedirectLogin | undefined;
  readonly passwordLogin?: PasswordLogin | undefined;
  readonly decoupledLogin?: DecoupledLogin | undefined;
  /** Checks logout tokens; absent for a provider that sends none. */
  readonly logoutTokens?: LogoutTokens | undefined;
  /** Issues tokens for routes; absent for a provider that issues none but those of its sign-ins. */
  readonly grants?: TokenGrants | undefined;
  /** Uses a refresh token once. Never throws. */
  refresh(request: RefreshRequest): Promise<RefreshOutcome>;
  /** Revokes a refresh token (RFC 7009); does nothing without a revocation endpoint. Never throws. */
  revoke(refreshToken: string): Promise<RevocationOutcome>;
  /**
   * Where the browser ends its session at the provider (OpenID RP-Initiated Logout 1.0), or undefined when the provider
   * has no such endpoint or was never reached.
   */
  endSessionUrl(options: { postLogoutRedirectUri: string; idTokenHint: string | undefined }): URL | undefined;
  state(): ProviderState;
  /** Why discovery has not succeeded yet, once an attempt has failed; for operators, without secrets. */
  notReadyReason(): string | undefined;
  /** Checks the provider against its configuration. Throws `provider_unavailable`. */
  diagnose(): Promise<readonly CheckResult[]>;
  /** Starts discovery, which retries until the provider is found. Settles after the first attempt; never rejects. */
  start(): Promise<void>;
  /** Stops what runs by itself. Calls are still possible, and unused connections end by themselves. */
  retire(): void;
  close(): void;
};
