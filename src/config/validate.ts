import type { z } from 'zod';
import type { ConfigIssue } from './diagnostics/issue.ts';
import { formatPath, quoteKey, type KeyPath } from './diagnostics/key-path.ts';
import type { Sources } from './interpolation.ts';
import { sectionsWith } from './schema/declaration/declared-keys.ts';
import { describeRedacted, type Redaction } from './diagnostics/redacted-value.ts';
import type { Config, ConfigSchema } from './schema/schema.ts';
import { readErrorPage } from './values/error-page.ts';

/** A configuration, or all its issues. */
export type Validation = { ok: true; config: Config } | { ok: false; issues: ConfigIssue[] };

/**
 * Checks plain data against the schema and the rules between keys, and reads the file of `login.errorPage`. A key whose value
 * is undefined counts as absent.
 *
 * @param hidden - texts that no issue may show, wherever they stand.
 */
export type Validate = (
  input: unknown,
  readFile: Sources['readFile'],
  hidden?: ReadonlySet<string>,
) => Validation;

export function createValidator({ schema, keys, secretPaths, enumValues }: ConfigSchema): Validate {
  return (input, readFile, hidden = new Set()) => {
    const reserved = reservedNames(input, []);
    if (reserved.length > 0) return { ok: false, issues: reserved };
    const result = schema.safeParse(withoutUndefined(input));
    const file = valueAt(input, ERROR_PAGE);
    const page = typeof file === 'string' && file !== '' ? readErrorPage(file, readFile) : undefined;
    const pageIssues = (page?.problems ?? []).map((message) => ({ path: ERROR_PAGE, message }));
    if (result.success && pageIssues.length === 0)
      return { ok: true, config: withErrorPage(result.data, page?.html) };
    const redaction = { secretPaths, hidden, enumValues };
    const issues = (result.error?.issues ?? []).flatMap((issue) =>
      issuesOf(issue, input, redaction).map((found) => withOtherSections(found, keys)),
    );
    return { ok: false, issues: [...issues, ...pageIssues] };
  };
}

const ERROR_PAGE: KeyPath = ['login', 'errorPage'];

function withErrorPage(config: Config, html: string | undefined): Config {
  const { errorPage } = config.login;
  if (errorPage === undefined || html === undefined) return config;
  return { ...config, login: { ...config.login, errorPage: { ...errorPage, html } } };
}

/** SECURITY: assigning this name to a plain object replaces its prototype instead of adding a key. */
function reservedNames(value: unknown, path: KeyPath): ConfigIssue[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const inner = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === '__proto__') return [{ path: inner, message: 'the name "__proto__" is reserved' }];
    return reservedNames(child, inner);
  });
}

function issuesOf(issue: z.core.$ZodIssue, input: unknown, redaction: Redaction): ConfigIssue[] {
  const { path, message, code } = issue;
  if (issue.code === 'unrecognized_keys') {
    const messages = message.split('\n');
    return issue.keys.map((key, index) => unknownKey([...path, key], messages[index] ?? message));
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.slice(0, 1).map((inner) => ({ path, message: inner.message }));
  }
  const isMissing = valueAt(input, path) === undefined && code !== 'custom';
  return [
    { path, message: withActualValue(issue, input, redaction), ...(isMissing && { kind: 'missing key' }) },
  ];
}

function unknownKey(path: KeyPath, message: string): ConfigIssue {
  const [, intended] = /did you mean "(.+)"/.exec(message) ?? [];
  return { path, message, kind: 'unknown key', ...(intended !== undefined && { intended }) };
}

/** At most this many sections are named for a key that stands in the wrong one. */
const MOST_SECTIONS = 3;

/** A key that only other sections have stands at the wrong depth. */
function withOtherSections(issue: ConfigIssue, keys: ConfigSchema['keys']): ConfigIssue {
  const key = issue.path.at(-1);
  if (issue.kind !== 'unknown key' || issue.intended !== undefined || typeof key !== 'string') return issue;
  const sections = sectionsWith(key, keys);
  const own = formatPath(issue.path.slice(0, -1)).replaceAll(/\[\d+\]/g, '[]');
  if (sections.length === 0 || sections.length > MOST_SECTIONS || sections.includes(own)) return issue;
  const message = `unknown key ${quoteKey(key)} here; it is a key of ${sections.join(', ')}: check the indentation`;
  return { ...issue, message };
}

/** Adds the actual value to a message that says what was expected. */
function withActualValue(
  { code, path, message }: z.core.$ZodIssue,
  input: unknown,
  redaction: Redaction,
): string {
  if (!message.startsWith('expected')) return message;
  const value = valueAt(input, path);
  if (value !== undefined) return `${message}, got ${describeRedacted(path, value, redaction)}`;
  // A rule between keys can fail on the default of an absent key.
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
