import { CLAIM_NAMES } from '../../provider/claim-references.ts';

type Claims = Readonly<Record<string, unknown>>;

/** The claims of the ID token, and those that only userinfo had. */
type ClaimSources = { readonly claims: Claims; readonly userinfo?: Claims | undefined };

/**
 * Which claims the sessions in memory have: those that rules and identity headers need. It only grows, so that requests
 * that began before a reload find theirs.
 */
export type ClaimSelection = {
  /** Names of claims; undefined while nothing needs any. */
  names(): ReadonlySet<string> | undefined;
  /** Adds names. Returns true when some of them are new. */
  include(names: Iterable<string>): boolean;
};

/** The longest claim that sessions in memory keep, in characters of its JSON. A longer one counts as missing. */
const MAX_CLAIM_LENGTH = 16_384;

export function createClaimSelection(): ClaimSelection {
  const selected = new Set<string>();
  return {
    names: () => (selected.size === 0 ? undefined : selected),
    include(names) {
      const before = selected.size;
      for (const name of names) selected.add(name);
      if (selected.size > 0) selected.add(CLAIM_NAMES);
      return selected.size > before;
    },
  };
}

/** The claims of a session: those of its newest ID token, and those of userinfo that the ID token lacks. */
export function allClaims({ claims, userinfo }: ClaimSources): Claims {
  return userinfo === undefined ? claims : { ...userinfo, ...claims };
}

/** The selected ones of these claims. */
export function selectClaims(data: ClaimSources, names: Iterable<string>): Claims {
  const claims = allClaims(data);
  const selected: Record<string, unknown> = {};
  for (const name of names) {
    if (Object.hasOwn(claims, name) && isShort(claims[name])) define(selected, name, claims[name]);
  }
  return selected;
}

/** How much memory the claims of a session take, roughly, in bytes. */
export function sizeOfClaims(claims: Claims | undefined): number {
  return claims === undefined ? 0 : JSON.stringify(claims).length;
}

function isShort(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= MAX_CLAIM_LENGTH;
  if (typeof value !== 'object' || value === null) return true;
  return JSON.stringify(value).length <= MAX_CLAIM_LENGTH;
}

/** SECURITY: an assignment to "__proto__" would give the claims inherited members. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}
