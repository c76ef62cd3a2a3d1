import type { ErrorCode } from 'yaml';
import { quoteKey } from './key-path.ts';

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

const WRONG_INDENTATION =
  'the indentation is wrong: the keys of one mapping, and the items of one list, begin at the same column';
const UNCLOSED = 'a [ or { is not closed before this line ends';
const TOO_FAR =
  'this line is indented further than the key above, which has a value: begin both at the same column';
const LIST_AFTER_KEY =
  'a list cannot begin behind its key: begin each item on a line of its own, or write the list in brackets, as in [a, b]';
const UNQUOTED_INTERPOLATION = 'an interpolation inside [ ] or { } needs quotes, as in ["${NAME}"]';

// SECURITY: the library's own messages quote the text, which may be a secret without quotes.
const messages: Partial<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'the alias is malformed; a value that begins with * needs quotes',
  BAD_ALIAS: 'the alias is malformed; a value that begins with * needs quotes',
  BAD_DQ_ESCAPE: 'the escape sequence is unknown; a literal backslash needs single quotes',
  BAD_INDENT: WRONG_INDENTATION,
  BAD_SCALAR_START: 'the value begins with a reserved character and needs quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping cannot begin here; a value with a colon at its end or before a space needs quotes',
  MISSING_CHAR: 'a quote, bracket, comma or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'expected "key: value"; the colon needs a space after it',
  MULTIPLE_DOCS: 'expected one YAML document, got several',
  RESOURCE_EXHAUSTION: TOO_DEEP,
  TAB_AS_INDENT: 'expected spaces for indentation, got a tab',
  TAG_RESOLVE_FAILED: 'the tag is unknown; a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'not expected here; an interpolation inside [ ] or { } needs quotes',
};

/**
 * The syntax errors of a text, in its order. Of several errors in one line, only the first: the others follow from it, as all
 * lines do after an interpolation without quotes, whose brace stays open for the parser.
 */
export function syntaxProblems(
  errors: readonly { readonly code: ErrorCode; readonly line: number }[],
  text: string,
): YamlProblem[] {
  const lines = text.split('\n');
  const byLine = new Map<number, YamlProblem>();
  for (const { code, line: at } of errors) {
    const { line, message } = explainLine(code, at, lines);
    if (!byLine.has(at)) byLine.set(at, { line, message, isFatal: true });
  }
  const problems = [...byLine.values()];
  const unquoted = problems.findIndex(({ message }) => message === UNQUOTED_INTERPOLATION);
  return unquoted === -1
    ? problems
    : problems.filter(({ message }, at) => at <= unquoted || message !== messages.UNEXPECTED_TOKEN);
}

/** A key that a mapping has twice, at the line of the second one. */
export function duplicateKey(key: string, line: number, firstLine: number): YamlProblem {
  const message = `the key ${quoteKey(key)} occurs twice in one mapping; the first one is in line ${firstLine}`;
  return { line, message, isFatal: false };
}

/** The parser says where it failed. The lines around that place show the usual mistakes behind it. */
function explainLine(
  code: ErrorCode,
  line: number,
  lines: readonly string[],
): { line: number; message: string } {
  const text = lines[line - 1] ?? '';
  const next = lines[line] ?? '';
  const startsKey = /^\s*(?:- +)*[\w.-]+:(?:\s|$)/;
  const isStructural = code === 'MISSING_CHAR' || code === 'UNEXPECTED_TOKEN' || code.startsWith('BLOCK');
  if (isStructural && /(?:[[{,]|^)\s*(?:[\w.-]+:\s+)?\$\{/.test(text))
    return { line, message: UNQUOTED_INTERPOLATION };
  if (isStructural && /^\s*(?:- +)*[\w.-]+:\s+-(?:\s|$)/.test(text)) return { line, message: LIST_AFTER_KEY };
  if (code === 'BLOCK_AS_IMPLICIT_KEY' && startsKey.test(next) && indentOf(next) > keyColumnOf(text))
    return { line: line + 1, message: TOO_FAR };
  if (code === 'BAD_INDENT' && [lines[line - 2], text].some((each) => /[[{][^\]}]*$/.test(each ?? '')))
    return { line, message: UNCLOSED };
  const isMisplaced =
    (code === 'BLOCK_AS_IMPLICIT_KEY' && /^\s*- /.test(text)) ||
    (code === 'MISSING_CHAR' && startsKey.test(text)) ||
    (code === 'UNEXPECTED_TOKEN' && startsKey.test(text) && indentOf(text) < indentOf(firstLineOf(lines)));
  if (isMisplaced) return { line, message: WRONG_INDENTATION };
  return { line, message: messages[code] ?? `not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})` };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** The column of the key of a line, after the dashes of list items. */
function keyColumnOf(line: string): number {
  return /^\s*(?:- +)*/.exec(line)?.[0].length ?? 0;
}

function firstLineOf(lines: readonly string[]): string {
  return lines.find((line) => /^\s*[^#\s]/.test(line)) ?? '';
}
