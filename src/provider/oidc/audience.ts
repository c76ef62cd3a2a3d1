import type { JWTPayload } from 'jose';

/** The audiences that the tokens of this client may have: its own identifier is always among those of a token. */
export type TrustedAudiences = { readonly clientId: string; readonly audiences: readonly string[] };

/** True when a token is also for audiences that this client does not trust (OpenID Connect Core, section 3.1.3.7, item 3). */
export function hasUntrustedAudience(
  { aud }: JWTPayload,
  { clientId, audiences }: TrustedAudiences,
): boolean {
  return [aud ?? []].flat().some((audience) => audience !== clientId && !audiences.includes(audience));
}
