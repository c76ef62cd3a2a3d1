import { isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar } from 'yaml';
import type { Document } from 'yaml';
import type { KeyPath } from './key-path.ts';
import { yamlFlaw } from './yaml-error.ts';
import type { YamlFlaw } from './yaml-error.ts';

/** A YAML text whose values can still be changed, and whose lines can still be told. */
export type YamlFile = {
  /** Whether there is nothing in it. */
  isEmpty: boolean;
  /** What is wrong with the text as YAML, in the order of the text. */
  flaws: YamlFlaw[];
  /** Passes every text that is a value through `change`; a key whose value comes back undefined has none. */
  changeTexts(change: (text: string, path: KeyPath) => string | undefined): void;
  /** The values as plain data; throws when aliases are undefined or multiply beyond reason. */
  toPlain(): unknown;
  /** The line, counted from 1, of the value at a path, or of the nearest mapping or list around it. */
  lineOf(path: KeyPath): number;
};

/** Reads a YAML 1.2 text; JSON is YAML. Never throws: what is wrong stands in `flaws`. */
export function readYaml(text: string): YamlFile {
  const lines = new LineCounter();
  // SECURITY: yaml 2.9 warns of a mapping as a key on standard error, and quotes it: it may be a secret in wrong braces.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);

  return {
    isEmpty: document.contents === null && document.errors.length === 0,
    flaws: [...document.errors, ...document.warnings].map(({ code, pos: [offset] }) =>
      yamlFlaw(code, lineAt(offset)),
    ),
    changeTexts: (change) => void changeTexts(document.contents, [], change),
    toPlain: () => document.toJS(),
    lineOf: (path) => lineAt(offsetOf(document, path)),
  };
}

/** Changes texts where they stand; false when the node came out empty and is to be taken out. */
function changeTexts(node: unknown, path: KeyPath, change: Parameters<YamlFile['changeTexts']>[0]): boolean {
  if (isScalar(node)) {
    if (typeof node.value !== 'string') return true;
    node.value = change(node.value, path);
    return node.value !== undefined;
  }
  if (isSeq(node)) {
    const kept: unknown[] = [];
    for (const item of node.items) {
      // The index counts what is kept, as it does in the plain data.
      if (changeTexts(item, [...path, kept.length], change)) kept.push(item);
    }
    node.items = kept;
  }
  if (isMap(node) && node.items.length > 0) {
    const kept = node.items.filter((pair) => {
      const isKept = changeTexts(pair.value, [...path, keyOf(pair.key)], change);
      // The key stays, so that its line can still be told.
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
    let place: unknown;
    if (isMap(node)) {
      // Of a key written twice the last value counts, as it does in the plain data.
      const pair = node.items.findLast((item) => keyOf(item.key) === key);
      [place, node] = [pair?.key, pair?.value];
    } else if (isSeq(node)) {
      place = node = typeof key === 'number' ? node.items[key] : undefined;
    }
    if (!isScalar(place) && !isMap(place) && !isSeq(place)) break;
    offset = place.range?.[0] ?? offset;
  }
  return offset;
}

function keyOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : '';
}
