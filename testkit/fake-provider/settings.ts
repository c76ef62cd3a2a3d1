import type { JWK, JWTPayload } from 'jose';
import type { Parameters } from './messages.ts';
import type { Grant } from './grant.ts';
import type { ProtocolError } from './protocol-error.ts';

/**
 * What happens to a refresh token that is used:
 * `off`: it stays valid and the response has none; `same`: it stays valid and the response repeats it;
 * `new`: it stays valid and the response has another; `strict`: it is spent, and a second use ends the family;
 * `once`: it is spent, and a second use is refused and changes nothing;
 * `grace`: it is spent, but while it is the latest one spent it may be used again for `graceMs`.
 */
export type Rotation = 'off' | 'same' | 'new' | 'strict' | 'once' | 'grace';

/** The one client the fake provider knows. */
export type Client = {
  id: string;
  secret: string;
  /** The one way the client may authenticate. */
  authentication: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none';
  /** The public keys of `private_key_jwt`. */
  keys?: readonly JWK[];
  /** The one audience that an assertion must have; the issuer when absent. */
  assertionAudience?: 'issuer' | 'token_endpoint';
  /** Compared character by character. */
  redirectUris: string[];
  postLogoutRedirectUris: string[];
};

/** Behavior that only some providers have. Without a function, the provider follows the standard. */
export type ProviderBehavior = {
  /** Whether access tokens end with their grant, or outlive it as self-contained JWTs do. */
  accessTokens: 'end' | 'outlive';
  /** Throws a ProtocolError for what this provider does not take in an authorization request. */
  checkAuthorization: ((parameters: Parameters) => void) | undefined;
  /** Throws a ProtocolError for what this provider does not take in a token request. */
  checkTokenRequest: ((form: Parameters) => void) | undefined;
  /** Whether a token response has a refresh token; `scopes` are the requested ones. */
  givesRefreshToken: ((grant: Grant, scopes: readonly string[]) => boolean) | undefined;
  /** Makes a refresh token out of a random string, such as a JWT. */
  shapeRefreshToken: ((random: string, grant: Grant) => Promise<string>) | undefined;
  /** The scopes of a refresh, out of those granted and those asked for; throws a ProtocolError. */
  narrow: ((granted: readonly string[], asked: readonly string[]) => readonly string[]) | undefined;
  /** The audience of an access token, when it depends on more than `resource`. */
  audienceOf: ((grant: Grant, scopes: readonly string[]) => string) | undefined;
  /** Where the logout page sends the browser, when it is no OpenID end-session endpoint; throws a ProtocolError. */
  endSession: ((parameters: Parameters, client: Client) => string) | undefined;
  /** Changes an error response before it is sent. */
  patchRefusal: ((refusal: ProtocolError) => ProtocolError) | undefined;
};

/** Everything a test may change while the fake provider runs. */
export type ProviderSettings = ProviderBehavior & {
  client: Client;
  /** Who is signed in at the provider, when the request has no `login_hint`; nobody if undefined. */
  user: string | undefined;
  rotate: Rotation;
  /** Milliseconds in which `grace` forgives. */
  graceMs: number;
  /** Seconds. */
  accessTokenLifetime: number;
  /** Seconds. */
  idTokenLifetime: number;
  /** The audience of access tokens when the request names no `resource`. */
  audience: string;
  /** The resources that may be named (RFC 8707); any, when undefined. */
  resources: readonly string[] | undefined;
  /** How far the provider's clock is ahead, in milliseconds; negative when it is behind. */
  clockOffsetMs: number;
  /** Changes a successful token response before it is sent. */
  patchTokenResponse: ((json: Record<string, unknown>, grant: string) => Record<string, unknown>) | undefined;
  /** The `Content-Type` of successful token responses, where it is not JSON. */
  tokenContentType: string | undefined;
  /** Changes the claims of a userinfo response. */
  patchUserinfo: ((claims: Record<string, unknown>) => Record<string, unknown>) | undefined;
  /** Changes the claims of an ID token before it is signed. */
  patchIdToken: ((claims: JWTPayload, grant: string) => JWTPayload) | undefined;
  /** Changes the parameters with which the browser is sent back to the client. */
  patchAuthorizationResponse: ((parameters: Record<string, string>) => Record<string, string>) | undefined;
};

/** The settings of a provider that behaves well, except those given. */
export function settingsWith(given: Partial<ProviderSettings>): ProviderSettings {
  return {
    client: {
      id: 'web',
      // Characters that differ once form-encoded, as HTTP Basic needs them here (RFC 6749, section 2.3.1).
      secret: 'canary-cs +:%&/=?',
      authentication: 'client_secret_basic',
      redirectUris: [],
      postLogoutRedirectUris: [],
    },
    user: 'alice',
    rotate: 'strict',
    graceMs: 0,
    accessTokenLifetime: 300,
    idTokenLifetime: 300,
    audience: 'https://api.example.test',
    resources: undefined,
    clockOffsetMs: 0,
    accessTokens: 'end',
    checkAuthorization: undefined,
    checkTokenRequest: undefined,
    givesRefreshToken: undefined,
    shapeRefreshToken: undefined,
    narrow: undefined,
    audienceOf: undefined,
    endSession: undefined,
    patchRefusal: undefined,
    patchTokenResponse: undefined,
    tokenContentType: undefined,
    patchIdToken: undefined,
    patchUserinfo: undefined,
    patchAuthorizationResponse: undefined,
    ...given,
  };
}
