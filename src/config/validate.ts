import type { z } from 'zod';
import type { Finding, KeyPath } from './diagnostics/finding.ts';
import { configSchema } from './schema/schema.ts';
import type { Config } from './schema/schema.ts';
import { describeRedacted } from './diagnostics/redacted-value.ts';

/** A configuration, or everything that is wrong with it. */
export type Validation = { ok: true; config: Config } | { ok: false; findings: Finding[] };

/**
 * Checks plain data against the schema and the rules between keys.
 *
 * A key whose value is undefined counts as not written.
 *
 * @param hidden - texts that are not shown in a finding wherever they stand; see `describeSeen`.
 */
export function validate(input: unknown, hidden: ReadonlySet<string> = new Set()): Validation {
  const result = configSchema.safeParse(withoutUndefined(input));
  if (result.success) return { ok: true, config: result.data };
  return { ok: false, findings: result.error.issues.flatMap((issue) => findingsOf(issue, input, hidden)) };
}

function findingsOf(issue: z.core.$ZodIssue, input: unknown, hidden: ReadonlySet<string>): Finding[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    const messages = message.split('\n');
    return issue.keys.map((key, index) => ({ path: [...path, key], message: messages[index] ?? message }));
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.slice(0, 1).map((flaw) => ({ path, message: flaw.message }));
  }
  return [{ path, message: withSeen(issue, input, hidden) }];
}

/** Completes a message that says what was expected with what was seen. */
function withSeen(
  { code, path, message }: z.core.$ZodIssue,
  input: unknown,
  hidden: ReadonlySet<string>,
): string {
  if (!message.startsWith('expected')) return message;
  const value = valueAt(input, path);
  if (value !== undefined) return `${message}, got ${describeRedacted(path, value, hidden)}`;
  // A rule between keys can fail on the default of a key that is not written.
  return code === 'custom' ? `${message}, got the default` : `missing or empty; ${message}`;
}

function valueAt(input: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutUndefined(child)]));
}
