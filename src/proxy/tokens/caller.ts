import type { DpopKey } from '../../dpop/key.ts';
import type { StepUpRequirement } from '../../errors.ts';
import type { Credential } from '../../refresh/credential.ts';
import type { IdentitySource, SessionView } from '../../sessions/session.ts';

/** What one request is sent with: the session's own access token, or what its route has instead. */
export type Caller = Credential | RouteCredential;

/** What is sent on a route with another token than the session's own. */
export type RouteCredential = {
  /**
   * - `client`: a token of the gateway itself;
   * - `exchange`: a token that the provider issued for the user's;
   * - `none`: no token;
   * - `bearer`: the caller's own token.
   */
  readonly kind: 'client' | 'exchange' | 'none' | 'bearer';
  /** Undefined for a caller without a session. */
  readonly session: SessionView | undefined;
  /** Undefined when no `Authorization` is sent. */
  readonly accessToken: string | undefined;
  /** Undefined for a token that the gateway cannot replace. */
  readonly renewal: TokenRenewal | undefined;
  /** Names a caller that brought a token of its own, for limits. */
  readonly name?: string | undefined;
  /** The claims of a token that the caller brought, for identity fields. */
  readonly identity?: IdentitySource | undefined;
  /** When a token that the caller brought expires, in milliseconds since the epoch. */
  readonly expiresAtMs?: number | undefined;
  /** The key that the token is bound to; undefined for a bearer token. */
  readonly dpopKey?: DpopKey | undefined;
};

/** Replaces one access token that an upstream has rejected. */
export type TokenRenewal = {
  /** Another token, or undefined when there is none: the 401 is then the response. */
  afterRefusal(route: string): Promise<Caller | undefined>;
  /** Reports that the upstream of the route rejected this token right after its renewal, too. */
  refusedAgain(route: string): void;
  /** Names what the token is renewed for: requests with the same name share the renewal. */
  readonly name: string;
};

/** The name of a caller in limits: its session, or its own token's subject; undefined for an anonymous one. */
export function limitName(caller: Caller | undefined): string | undefined {
  if (caller === undefined) return undefined;
  return caller.session?.key ?? (isOfRoute(caller) ? caller.name : undefined);
}

/** The session of a caller, or the claims of its own token; undefined for an anonymous caller. */
export function identitySourceOf(caller: Caller | undefined): IdentitySource | undefined {
  if (caller === undefined) return undefined;
  return caller.session ?? (isOfRoute(caller) ? caller.identity : undefined);
}

/** True for a request with what its route has instead of the session's own token. */
export function isOfRoute(caller: Caller): caller is RouteCredential {
  return 'kind' in caller;
}

/**
 * True when another sign-in of the user may change what an upstream requires. The scopes of an exchanged token come from the
 * configuration, and a token of the gateway itself has nothing of a sign-in.
 */
export function mayStepUp(caller: Caller | undefined, { scopes }: StepUpRequirement): boolean {
  if (caller === undefined || !isOfRoute(caller)) return true;
  return caller.kind === 'exchange' && scopes.length === 0;
}
