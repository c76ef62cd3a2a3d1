import type { AccessRuleInput } from '../../../src/config/config-input.ts';

type Subject = { claims: Record<string, unknown>; scope: string | undefined };

/** True, false, or undefined where the claims do not say. */
type Answer = boolean | undefined;

/** The rules as docs/access.md states them, over the file's own form, one sentence a line and without any haste. */
export function referenceDenial(rules: readonly AccessRuleInput[], subject: Subject): number | undefined {
  const index = rules.findIndex((rule) => judge(rule, subject) !== true);
  return index === -1 ? undefined : index;
}

function judge(rule: AccessRuleInput, subject: Subject): Answer {
  if (rule.not !== undefined) {
    const inner = judge(rule.not, subject);
    return inner === undefined ? undefined : !inner;
  }
  if (rule.any !== undefined) {
    const verdicts = rule.any.map((each) => judge(each, subject));
    if (verdicts.includes(true)) return true;
    return verdicts.includes(undefined) ? undefined : false;
  }
  if (rule.scope !== undefined) return subject.scope?.split(' ').includes(rule.scope);
  if (rule.acr !== undefined) return compare(read(subject.claims, '/acr'), rule.acr);
  const value = read(subject.claims, rule.claim ?? '');
  if (rule.equals !== undefined) return compare(value, rule.equals);
  if (rule.in !== undefined) {
    const verdicts = rule.in.map((expected) => compare(value, expected));
    return verdicts.every((verdict) => verdict === undefined) ? undefined : verdicts.includes(true);
  }
  if (rule.contains !== undefined) {
    if (!Array.isArray(value)) return undefined;
    const verdicts = value.map((item) => compare(item, rule.contains));
    return verdicts.includes(undefined) ? undefined : verdicts.includes(true);
  }
  const end = rule.endsWith ?? '';
  if (typeof value !== 'string') return undefined;
  if (end.includes('@') && !/^[^@]+@[^@]+$/.test(value)) return undefined;
  return value.slice(-end.length) === end;
}

function compare(value: unknown, expected: unknown): Answer {
  if (typeof value !== typeof expected || value === null) return undefined;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return undefined;
  return value === expected;
}

function read(claims: Record<string, unknown>, pointer: string): unknown {
  const keys = pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const references = claims['_claim_names'];
  if (
    typeof references === 'object' &&
    references !== null &&
    Object.keys(references).includes(keys[0] ?? '')
  )
    return undefined;
  let value: unknown = claims;
  for (const key of keys) {
    if (Array.isArray(value) && !/^(0|[1-9][0-9]*)$/.test(key)) return undefined;
    if (typeof value !== 'object' || value === null || !Object.keys(value).includes(key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
