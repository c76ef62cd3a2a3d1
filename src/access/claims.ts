import type { JsonPointer } from '../config/values/json-pointer.ts';
import { valueAt } from '../provider/http/json-value.ts';
import { allClaims, CLAIM_NAMES } from '../sessions/store/claim-selection.ts';
import type { SessionView } from '../sessions/session.ts';

/** The claims of a person. */
export type Claims = Readonly<Record<string, unknown>>;

/** The claims of a session in memory, or of a whole record. */
export function currentClaims({ claims = {}, userinfo }: SessionView['data']): Claims {
  return allClaims({ claims, userinfo });
}

/**
 * The value of a claim, or inside it; undefined when it is missing.
 *
 * SECURITY: a token with too many groups has a reference in place of the list (OpenID Connect Core, section 5.6.2). Such a
 * claim counts as missing, even beside a value: one of the two is incomplete.
 */
export function claimAt(claims: Claims, pointer: JsonPointer): unknown {
  const references = claims[CLAIM_NAMES];
  const [name = ''] = pointer;
  if (typeof references === 'object' && references !== null && Object.hasOwn(references, name))
    return undefined;
  return valueAt(claims, pointer);
}
