type Claims = Readonly<Record<string, unknown>>;

/** The member that lists the claims which a provider has replaced by a reference (OpenID Connect Core, section 5.6.2). */
export const CLAIM_NAMES = '_claim_names';

/** True when a reference stands for the claim, also beside a value: one of the two is incomplete. */
export function isReplacedByReference(claims: Claims, name: string): boolean {
  const references = claims[CLAIM_NAMES];
  return typeof references === 'object' && references !== null && Object.hasOwn(references, name);
}
