import { z } from 'zod';
import { jsonPointer, type JsonPointer } from '../../values/json-pointer.ts';
import { text } from '../../values/scalar.ts';
import { section } from '../declaration/section.ts';

/** A value that a claim is compared with. */
export type ClaimValue = string | number | boolean;

/** How the value of a claim is judged. */
export type ClaimTest =
  | { readonly kind: 'equals' | 'contains'; readonly value: ClaimValue }
  | { readonly kind: 'endsWith'; readonly value: string }
  | { readonly kind: 'in'; readonly values: readonly ClaimValue[] };

/** One condition on a session: its claims, the scopes of its access token, or how the user signed in. */
export type AccessRule =
  | { readonly kind: 'claim'; readonly claim: JsonPointer; readonly test: ClaimTest }
  | { readonly kind: 'scope'; readonly scope: string }
  | { readonly kind: 'acr'; readonly acr: string }
  | { readonly kind: 'any'; readonly rules: readonly AccessRule[] }
  | { readonly kind: 'not'; readonly rule: AccessRule };

const expectedValue = 'expected a text, a whole number, true or false';
const expectedRules = 'expected a list of rules';

const claimValue = () => z.union([z.string(), z.int(), z.boolean()], expectedValue);

const scopeToken = () =>
  z
    .string('expected one scope')
    .regex(
      /^[\x21\x23-\x5b\x5d-\x7e]+$/,
      'expected one scope: printable ASCII without blanks (RFC 6749 section 3.3)',
    );

const subjects = ['claim', 'scope', 'acr', 'any', 'not'] as const;
const tests = ['equals', 'contains', 'endsWith', 'in'] as const;

const ruleKeys = section({
  claim: jsonPointer().exactOptional().meta({
    description:
      'A JSON Pointer (RFC 6901) to a claim, with one of `equals`, `contains`, `endsWith` and `in`.',
  }),
  equals: claimValue().exactOptional().meta({ description: 'The claim is this value.' }),
  contains: claimValue().exactOptional().meta({ description: 'The claim is a list with this value.' }),
  endsWith: text('expected a text').exactOptional().meta({
    description:
      'The claim is a text that ends with this one; if this one contains `@`, the claim contains no other `@`.',
  }),
  in: z
    .array(claimValue(), 'expected a list of values')
    .min(1, 'expected at least one value')
    .exactOptional()
    .meta({ description: 'The claim is one of these values.' }),
  scope: scopeToken().exactOptional().meta({ description: 'The access token has this scope.' }),
  acr: text('expected a text').exactOptional().meta({
    description: 'The user signed in at this level: the claim `acr` is this value.',
  }),
  get any() {
    return z
      .array(accessRule, expectedRules)
      .min(1, 'expected at least one rule')
      .exactOptional()
      .meta({ description: 'At least one of these rules holds.' });
  },
  get not() {
    return accessRule.exactOptional().meta({ description: 'This rule is known not to hold.' });
  },
});

/** One rule of `require`. */
export const accessRule: z.ZodType<AccessRule, AccessRuleInput> = z
  .lazy(() => ruleKeys)
  .superRefine((rule, context) => {
    const kinds = subjects.filter((key) => rule[key] !== undefined);
    const claimTests = tests.filter((key) => rule[key] !== undefined);
    const issue = (message: string) => context.addIssue({ code: 'custom', message });
    if (kinds.length !== 1) return issue(`expected exactly one of ${subjects.join(', ')}`);
    const expected = kinds[0] === 'claim' ? 1 : 0;
    if (claimTests.length === expected) return;
    issue(
      expected === 1
        ? `expected exactly one of ${tests.join(', ')} beside claim`
        : `expected ${claimTests.join(', ')} beside claim only`,
    );
  })
  .transform(readRule)
  .meta({ id: 'AccessRule', description: 'One rule: `claim`, `scope`, `acr`, `any` or `not`.' });

type RuleKeys = {
  claim?: JsonPointer;
  equals?: ClaimValue;
  contains?: ClaimValue;
  endsWith?: string;
  in?: ClaimValue[];
  scope?: string;
  acr?: string;
  any?: AccessRule[];
  not?: AccessRule;
};

/** A rule as people write it. */
export type AccessRuleInput = Omit<RuleKeys, 'claim' | 'any' | 'not'> & {
  claim?: string;
  any?: AccessRuleInput[];
  not?: AccessRuleInput;
};

/** The list of rules of a route, or of the sign-in. */
export function accessRules() {
  return z.array(accessRule, expectedRules);
}

function readRule(rule: RuleKeys): AccessRule {
  if (rule.claim !== undefined) return { kind: 'claim', claim: rule.claim, test: readTest(rule) };
  if (rule.scope !== undefined) return { kind: 'scope', scope: rule.scope };
  if (rule.acr !== undefined) return { kind: 'acr', acr: rule.acr };
  if (rule.not !== undefined) return { kind: 'not', rule: rule.not };
  return { kind: 'any', rules: rule.any ?? [] };
}

function readTest(rule: RuleKeys): ClaimTest {
  if (rule.equals !== undefined) return { kind: 'equals', value: rule.equals };
  if (rule.contains !== undefined) return { kind: 'contains', value: rule.contains };
  if (rule.endsWith !== undefined) return { kind: 'endsWith', value: rule.endsWith };
  return { kind: 'in', values: rule.in ?? [] };
}
