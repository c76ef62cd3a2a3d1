/** The purpose of an access token: the scopes and resources of a route beyond those of the sign-in. */
export type Audience = {
  /** Depends on the scopes and resources, not on their order; empty for the token of the sign-in. */
  readonly id: string;
  readonly scopes: readonly string[];
  /** Resource indicators (RFC 8707). */
  readonly resources: readonly string[];
};

/** The audience of a route, from the scopes and resources in its configuration. */
export function createAudience(scopes: readonly string[], resources: readonly string[]): Audience {
  const id =
    scopes.length + resources.length === 0 ? '' : JSON.stringify([scopes.toSorted(), resources.toSorted()]);
  return { id, scopes, resources };
}
