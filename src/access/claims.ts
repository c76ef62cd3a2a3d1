import type { JsonPointer } from '../config/values/json-pointer.ts';
import { isReplacedByReference } from '../provider/claim-references.ts';
import { valueAt } from '../provider/http/json-value.ts';
import { allClaims } from '../sessions/store/claim-selection.ts';
import type { IdentitySource } from '../sessions/session.ts';

/** The claims of a user. */
export type Claims = Readonly<Record<string, unknown>>;

/** The claims of a session in memory, of a whole record, or of an access token. */
export function currentClaims({ claims = {}, userinfo }: IdentitySource['data']): Claims {
  return allClaims({ claims, userinfo });
}

/**
 * The value of a claim, or inside it; undefined when it is missing.
 *
 * SECURITY: a token with too many groups has a reference in place of the list (OpenID Connect Core, section 5.6.2). Such a
 * claim counts as missing.
 */
export function claimAt(claims: Claims, pointer: JsonPointer): unknown {
  const [name = ''] = pointer;
  return isReplacedByReference(claims, name) ? undefined : valueAt(claims, pointer);
}
