import type { AccessRule, ClaimTest, ClaimValue } from '../config/schema/access/rule.ts';
import type { JsonPointer } from '../config/values/json-pointer.ts';
import { claimAt, type Claims } from './claims.ts';

/** What rules judge: the current claims of a session, and the scopes of the access token that the upstream gets. */
export type AccessSubject = {
  readonly claims: Claims;
  /** Separated by spaces, as in a token response; undefined when there is no token. */
  readonly scope: string | undefined;
};

/**
 * The verdict on one rule. `unknown`: the claim is missing, has another type, or was replaced by a reference; the `not` of
 * it is unknown, too, so that only what is known grants access.
 */
export type Verdict = 'holds' | 'fails' | 'unknown';

/** The first rule that does not hold, by its index in the list, and its verdict. */
export type Denial = { readonly index: number; readonly verdict: Exclude<Verdict, 'holds'> };

/** Judges a list of rules, all of which must hold; undefined when they do. Pure, without I/O. */
export type AccessRules = (subject: AccessSubject) => Denial | undefined;

type Predicate = (subject: AccessSubject) => Verdict;

/** Compiles the rules once, so that a request costs only the comparisons. Undefined for a list without rules. */
export function compileRules(rules: readonly AccessRule[]): AccessRules | undefined {
  if (rules.length === 0) return undefined;
  const predicates = rules.map(compile);
  return (subject) => {
    for (let index = 0; index < predicates.length; index += 1) {
      const verdict = predicates[index]?.(subject) ?? 'unknown';
      if (verdict !== 'holds') return { index, verdict };
    }
    return undefined;
  };
}

function compile(rule: AccessRule): Predicate {
  switch (rule.kind) {
    case 'claim':
      return claimPredicate(rule.claim, compileTest(rule.test));
    case 'acr':
      return claimPredicate(['acr'], equalTo(rule.acr));
    case 'scope':
      return scopePredicate(rule.scope);
    case 'any':
      return anyOf(rule.rules.map(compile));
    case 'not':
      return negated(compile(rule.rule));
  }
}

function claimPredicate(pointer: JsonPointer, test: (value: unknown) => Verdict): Predicate {
  return ({ claims }) => test(claimAt(claims, pointer));
}

function scopePredicate(scope: string): Predicate {
  const wanted = ` ${scope} `;
  return (subject) => {
    if (subject.scope === undefined) return 'unknown';
    return verdictOf(` ${subject.scope} `.includes(wanted));
  };
}

/** Kleene's strong disjunction: one that holds decides, and otherwise one that is unknown. */
function anyOf(predicates: readonly Predicate[]): Predicate {
  return (subject) => {
    let isUnknown = false;
    for (const predicate of predicates) {
      const verdict = predicate(subject);
      if (verdict === 'holds') return verdict;
      if (verdict === 'unknown') isUnknown = true;
    }
    return isUnknown ? 'unknown' : 'fails';
  };
}

function negated(predicate: Predicate): Predicate {
  return (subject) => {
    const verdict = predicate(subject);
    return verdict === 'unknown' ? verdict : verdictOf(verdict === 'fails');
  };
}

function compileTest(test: ClaimTest): (value: unknown) => Verdict {
  switch (test.kind) {
    case 'equals':
      return equalTo(test.value);
    case 'contains':
      return containing(test.value);
    case 'endsWith':
      return endingWith(test.value);
    case 'in':
      return oneOfValues(test.values);
  }
}

function equalTo(expected: ClaimValue): (value: unknown) => Verdict {
  return (value) => (isComparable(value, expected) ? verdictOf(value === expected) : 'unknown');
}

function oneOfValues(values: readonly ClaimValue[]): (value: unknown) => Verdict {
  const known = new Set<unknown>(values);
  const types = new Set(values.map((value) => typeof value));
  const isOfType = (value: unknown) => [...types].some((type) => typeof value === type) && isExact(value);
  return (value) => (isOfType(value) ? verdictOf(known.has(value)) : 'unknown');
}

/** A text is no list: in "superadmin" there is no "admin". */
function containing(expected: ClaimValue): (value: unknown) => Verdict {
  return (value) => {
    if (!Array.isArray(value)) return 'unknown';
    let isFound = false;
    for (const item of value) {
      if (!isComparable(item, expected)) return 'unknown';
      if (item === expected) isFound = true;
    }
    return verdictOf(isFound);
  };
}

function endingWith(end: string): (value: unknown) => Verdict {
  const isOfType = end.includes('@') ? isAddress : (value: unknown) => typeof value === 'string';
  return (value) =>
    typeof value === 'string' && isOfType(value) ? verdictOf(value.endsWith(end)) : 'unknown';
}

/**
 * SECURITY: "mallory@evil.example@acme.example" ends with "@acme.example", and mail to it may go elsewhere (CVE-2026-40574).
 */
function isAddress(value: string): boolean {
  const at = value.indexOf('@');
  return at > 0 && at < value.length - 1 && value.indexOf('@', at + 1) === -1;
}

/** Values of different types are never compared. */
function isComparable(value: unknown, expected: ClaimValue): boolean {
  return typeof value === typeof expected && isExact(value);
}

/** False for a number that another JSON parser may read as a different one. */
function isExact(value: unknown): boolean {
  return typeof value !== 'number' || Number.isSafeInteger(value);
}

function verdictOf(holds: boolean): Verdict {
  return holds ? 'holds' : 'fails';
}
