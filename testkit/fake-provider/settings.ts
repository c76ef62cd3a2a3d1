import type { JWK, JWTPayload } from 'jose';
import type { ProofVerifier } from '../dpop/proof-verifier.ts';
import type { Parameters, ProviderResponse } from './messages.ts';
import type { Grant } from './tokens/grant.ts';
import type { ProtocolError } from './protocol-error.ts';

/**
 * What a refresh does to its refresh token:
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
  /** The only authentication method of the client. */
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
  /** Throws a ProtocolError for parameters that this provider rejects in an authorization request. */
  checkAuthorization: ((parameters: Parameters) => void) | undefined;
  /** Throws a ProtocolError for parameters that this provider rejects in a token request. */
  checkTokenRequest: ((form: Parameters) => void) | undefined;
  /** Whether a token response has a refresh token; `scopes` are the requested ones. */
  givesRefreshToken: ((grant: Grant, scopes: readonly string[]) => boolean) | undefined;
  /** Creates a refresh token, such as a JWT, from a random string. */
  shapeRefreshToken: ((random: string, grant: Grant) => Promise<string>) | undefined;
  /** Returns the scopes of a refresh from the granted and the requested ones; throws a ProtocolError. */
  narrow: ((granted: readonly string[], asked: readonly string[]) => readonly string[]) | undefined;
  /** The audience of an access token, when it depends on more than `resource`. */
  audienceOf: ((grant: Grant, scopes: readonly string[]) => string) | undefined;
  /** Returns the redirect of a logout page that is not an OpenID end-session endpoint; throws a ProtocolError. */
  endSession: ((parameters: Parameters, client: Client) => string) | undefined;
  /** Changes an error response before it is sent. */
  patchRefusal: ((refusal: ProtocolError) => ProtocolError) | undefined;
};

/** The settings that a test may change while the fake provider runs. */
export type ProviderSettings = ProviderBehavior & {
  client: Client;
  /** Requires DPoP proofs that this accepts, and binds access tokens to their keys (RFC 9449); without it, issues bearer tokens. */
  proofs: ProofVerifier | undefined;
  /** The user who is signed in at the provider, for requests without a `login_hint`. */
  user: string | undefined;
  rotate: Rotation;
  /** Whether `acr_values`, `max_age` and `prompt=login` authenticate the user anew, or count for nothing. */
  stepUp: 'honoured' | 'ignored';
  /** Scopes that are left out of every grant (RFC 6749, section 3.3). */
  refusedScopes: readonly string[];
  /** The reuse period of `grace`, in milliseconds. */
  graceMs: number;
  /** Seconds. */
  accessTokenLifetime: number;
  /** Seconds. */
  idTokenLifetime: number;
  /** The audience of access tokens when the request names no `resource`. */
  audience: string;
  /** The allowed resources (RFC 8707); any when undefined. */
  resources: readonly string[] | undefined;
  /** How far the provider's clock is ahead, in milliseconds; negative when it is behind. */
  clockOffsetMs: number;
  /** Changes a successful token response before it is sent. */
  patchTokenResponse: ((json: Record<string, unknown>, grant: string) => Record<string, unknown>) | undefined;
  /** Changes the whole of a successful token response before it is sent: its status, its fields and its bytes. */
  patchTokenMessage: ((message: ProviderResponse) => ProviderResponse) | undefined;
  /** Changes the claims of a userinfo response. */
  patchUserinfo: ((claims: Record<string, unknown>) => Record<string, unknown>) | undefined;
  /** Changes the claims of an ID token before it is signed. */
  patchIdToken: ((claims: JWTPayload, grant: string) => JWTPayload) | undefined;
  /** Changes the parameters of the redirect back to the client. */
  patchAuthorizationResponse: ((parameters: Record<string, string>) => Record<string, string>) | undefined;
};

/** Returns the settings of a correct provider, with the given changes. */
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
    proofs: undefined,
    user: 'alice',
    rotate: 'strict',
    stepUp: 'honoured',
    refusedScopes: [],
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
    patchTokenMessage: undefined,
    patchIdToken: undefined,
    patchUserinfo: undefined,
    patchAuthorizationResponse: undefined,
    ...given,
  };
}
