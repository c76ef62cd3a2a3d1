import { isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar, visit } from 'yaml';
import type { Document } from 'yaml';
import type { KeyPath } from './key-path.ts';
import { CIRCULAR, duplicateKey, MERGE_KEY, syntaxProblems, type YamlProblem } from './yaml-problem.ts';

/** A YAML text whose values can be changed, and which knows the line of each value. */
export type YamlFile = {
  isEmpty: boolean;
  /** The syntax problems, in the order of the text. */
  problems: YamlProblem[];
  /** Passes every text value through `change`; undefined removes the value. */
  changeTexts(change: (text: string, path: KeyPath) => string | undefined): void;
  /** The values as plain data; throws for undefined aliases, and for aliases that expand to too much. */
  toPlain(): unknown;
  /** The line, counted from 1, of the value at a path, or of the nearest mapping or list around it. */
  lineOf(path: KeyPath): number;
};

/** Reads a YAML 1.2 text; JSON is YAML. Syntax problems are in `problems`. Throws RangeError if values are nested too deeply. */
export function readYaml(text: string): YamlFile {
  const lines = new LineCounter();
  // SECURITY: yaml 2.9 warns of a mapping as a key on standard error, and quotes it: it may be a secret in wrong braces.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);

  return {
    isEmpty: document.contents === null && document.errors.length === 0,
    problems: [
      ...syntaxProblems(
        [...document.errors, ...document.warnings]
          .filter(({ code }) => code !== 'DUPLICATE_KEY')
          .map(({ code, pos: [offset] }) => ({ code, line: lineAt(offset) })),
        text,
      ),
      ...duplicates(document).map(({ key, first, second }) =>
        duplicateKey(key, lineAt(second), lineAt(first)),
      ),
      ...misuses(document).map(({ offset, message }) => ({ line: lineAt(offset), message, isFatal: true })),
    ],
    changeTexts: (change) => void changeTexts(document.contents, [], change),
    toPlain: () => document.toJS(),
    lineOf: (path) => lineAt(offsetOf(document, path)),
  };
}

/** The keys that a mapping has more than once, with the offsets of the first and of each further one. */
function duplicates(document: Document.Parsed): { key: string; first: number; second: number }[] {
  const found: { key: string; first: number; second: number }[] = [];
  visit(document, {
    Map(_key, { items }) {
      const firsts = new Map<string, number>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const offset = key.range?.[0] ?? 0;
        const name = String(key.value);
        const first = firsts.get(name);
        if (first === undefined) firsts.set(name, offset);
        else if (name !== '<<') found.push({ key: name, first, second: offset });
      }
    },
  });
  return found;
}

/** Problems that the library accepts: circular aliases, and merge keys, which YAML 1.2 dropped. */
function misuses(document: Document.Parsed): { offset: number; message: string }[] {
  const found: { offset: number; message: string }[] = [];
  visit(document, {
    Alias(_key, alias, ancestors) {
      const isInside = ancestors.some((node) => isCollection(node) && node.anchor === alias.source);
      // The name may have been given to a later value; finding that out costs a walk through the document.
      if (isInside && ancestors.some((node) => node === alias.resolve(document)))
        found.push({ offset: alias.range?.[0] ?? 0, message: CIRCULAR });
    },
    Pair(_key, { key }) {
      if (isScalar(key) && key.value === '<<' && key.type === Scalar.PLAIN)
        found.push({ offset: key.range?.[0] ?? 0, message: MERGE_KEY });
    },
  });
  return found;
}

/** Changes texts in place; false when the node is empty afterwards and must be removed. */
function changeTexts(node: unknown, path: KeyPath, change: Parameters<YamlFile['changeTexts']>[0]): boolean {
  if (isScalar(node)) {
    if (typeof node.value !== 'string') return true;
    node.value = change(node.value, path);
    return node.value !== undefined;
  }
  if (isSeq(node)) {
    const kept: unknown[] = [];
    for (const item of node.items) {
      // The index counts only the remaining items, as in the plain data.
      if (changeTexts(item, [...path, kept.length], change)) kept.push(item);
    }
    node.items = kept;
  }
  if (isMap(node) && node.items.length > 0) {
    const kept = node.items.filter((pair) => {
      const isKept = changeTexts(pair.value, [...path, keyOf(pair.key)], change);
      // The key stays, because its line may be needed.
      if (!isKept) pair.value = new Scalar(undefined);
      return isKept;
    });
    return kept.length > 0;
  }
  return true;
}

function offsetOf(document: Document.Parsed, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const key of path) {
    let target: unknown;
    if (isMap(node)) {
      // When a key is written twice, the last value counts, as in the plain data.
      const pair = node.items.findLast((item) => keyOf(item.key) === key);
      [target, node] = [pair?.key, pair?.value];
    } else if (isSeq(node)) {
      target = node = typeof key === 'number' ? node.items[key] : undefined;
    }
    if (!isScalar(target) && !isMap(target) && !isSeq(target)) break;
    offset = target.range?.[0] ?? offset;
  }
  return offset;
}

function keyOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : '';
}
