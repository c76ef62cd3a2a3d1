import type { ErrorCode } from 'yaml';

/** A syntax problem of a YAML text, at a line counted from 1. */
export type YamlProblem = {
  line: number;
  message: string;
  /** Whether the values around it are unreliable. */
  isFatal: boolean;
};

export const TOO_DEEP = 'the values are nested too deeply';
export const CIRCULAR = 'the alias stands inside the value that it repeats';
export const MERGE_KEY =
  'YAML 1.2 has no merge key "<<"; write the keys out, or use an alias in place of the whole mapping';

// SECURITY: the library's own messages quote the text, which may be a secret without quotes.
const messages: Partial<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'the alias is malformed; a value that begins with * needs quotes',
  BAD_ALIAS: 'the alias is malformed; a value that begins with * needs quotes',
  BAD_DQ_ESCAPE: 'the escape sequence is unknown; a literal backslash needs single quotes',
  BAD_INDENT: 'the indentation is wrong',
  BAD_SCALAR_START: 'the value begins with a reserved character and needs quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping cannot begin here; a value with a colon at its end or before a space needs quotes',
  DUPLICATE_KEY: 'this key occurs twice in one mapping',
  MISSING_CHAR: 'a quote, bracket, comma or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'expected "key: value"; the colon needs a space after it',
  MULTIPLE_DOCS: 'expected one YAML document, got several',
  RESOURCE_EXHAUSTION: TOO_DEEP,
  TAB_AS_INDENT: 'expected spaces for indentation, got a tab',
  TAG_RESOLVE_FAILED: 'the tag is unknown; a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'not expected here; an interpolation inside [ ] or { } needs quotes',
};

/** Converts a problem of the parser; the message quotes nothing of the text. */
export function yamlProblem(code: ErrorCode, line: number): YamlProblem {
  const message = messages[code] ?? `not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})`;
  return { line, message, isFatal: code !== 'DUPLICATE_KEY' };
}
