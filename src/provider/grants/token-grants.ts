import type { DpopKey } from '../../dpop/key.ts';

/** The purpose of a token that the provider issues for a route. */
export type TokenTarget = {
  /** The `audience` parameter, which the token exchange defines and some providers require for client credentials. */
  readonly audience?: string | undefined;
  readonly scopes: readonly string[];
  /** Resource indicators (RFC 8707). */
  readonly resources: readonly string[];
};

/** A token exchange (RFC 8693, section 2.1). */
export type ExchangeRequest = TokenTarget & {
  /** The access token of the user. */
  readonly subjectToken: string;
  /** The access token of the party that acts for the user. */
  readonly actorToken?: string | undefined;
  /** The `requested_token_type`. */
  readonly tokenType?: string | undefined;
  /** The key of the session, to which the new token must be bound as well. */
  readonly dpopKey?: DpopKey | undefined;
};

/** Token requests in which no user takes part. They spend nothing: a request may be repeated. */
export type TokenGrants = {
  /** Obtains an access token of the gateway itself (RFC 6749, section 4.4), with a new key if the provider binds tokens. Never throws. */
  clientCredentials(target: TokenTarget): Promise<GrantOutcome>;
  /** Obtains a token for the user at another audience. Never throws. */
  exchange(request: ExchangeRequest): Promise<GrantOutcome>;
};

/**
 * How such a request ended.
 * - `issued`: an access token, requested at `sentAtMs`;
 * - `refused`: the provider says no, with an error code of OAuth;
 * - `invalid`: the response has no access token that can be sent to an API;
 * - `unavailable`: the provider cannot respond now.
 */
export type GrantOutcome =
  | {
      readonly kind: 'issued';
      readonly accessToken: string;
      readonly expiresInSeconds: number | undefined;
      readonly sentAtMs: number;
      /** The key that the token is bound to; undefined for a bearer token. */
      readonly dpopKey: DpopKey | undefined;
    }
  | { readonly kind: 'refused'; readonly error: string; readonly cause: unknown }
  | { readonly kind: 'invalid'; readonly cause: unknown }
  | {
      readonly kind: 'unavailable';
      readonly retryAfterSeconds: number | undefined;
      readonly cause: unknown;
    };
