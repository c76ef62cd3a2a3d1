import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { securityRows } from '../../testkit/project/security-rows.ts';
import {
  isNamed,
  literally,
  nameOf,
  readRequirements,
  readSecurityPages,
  unproven,
} from '../../testkit/project/security-table.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const requirements = readSecurityPages(root);
const evidence = new Map(
  requirements.flatMap((requirement) => requirement.evidence).map((each) => [nameOf(each), each]),
);
const files = [...new Set([...evidence.values()].map(({ file }) => file))];

describe('docs/security/', () => {
  it('docs/security/ has exactly one row for every requirement', () => {
    expect(requirements.flatMap(({ ids }) => ids).toSorted()).toEqual(securityRows.toSorted());
  });

  it('docs/security/ names evidence for every met requirement and a reason for every other one', () => {
    const claimed = requirements.filter(({ state }) => state === 'met' || state === 'in part');
    const isShown = ({ evidence, isDocumented }: (typeof requirements)[number]) =>
      evidence.length > 0 || isDocumented;
    expect(claimed.filter((requirement) => !isShown(requirement)).map(({ ids }) => ids)).toEqual([]);
    const unexplained = requirements.filter(({ state, how }) => state !== 'met' && how === '');
    expect(unexplained.map(({ ids }) => ids)).toEqual([]);
  });

  it('docs/security/ names only existing tests', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter((file) => !file.endsWith('.test.ts') || !existsSync(join(root, file)))).toEqual([]);
    const missing = [...evidence.values()].filter(({ file, titles }) => {
      const source = sourceOf(file);
      return !titles.every((title) => isTitleIn(source, title));
    });
    expect(missing.map(nameOf)).toEqual([]);
  });

  it('docs/security/ names only test files that skip nothing', () => {
    const leavesOut = /\b(?:it|test|describe)\b[\w.]*\.(?:skip|todo|only|fails|skipIf|runIf)\b/;
    expect(files.filter((file) => leavesOut.test(sourceOf(file)))).toEqual([]);
  });

  it('docs/security/ names a test with the advisory id for every advisory', () => {
    const advisories = requirements.filter(({ ids }) => /^(?:CVE|GHSA|GO)-|[# ]/.test(ids[0] ?? ''));
    expect(advisories.length).toBeGreaterThan(90);
    const unnamed = advisories.flatMap(({ ids, evidence }) => {
      const sources = evidence.map(({ file }) => sourceOf(file)).join('\n');
      return ids.filter((id) => !sources.includes(id));
    });
    expect(unnamed).toEqual([]);
  });

  it('docs/security/ has the rows that test titles name', () => {
    const named = globSync('test/**/*.ts', { cwd: root }).flatMap((file) =>
      Array.from(read(file).matchAll(/\bstandards: ([A-Z][^)']*)/g), ([, names = '']) =>
        names.split(', ').flatMap(expand),
      ).flat(),
    );
    expect(named.length).toBeGreaterThan(300);
    expect([...new Set(named)].filter((name) => !securityRows.includes(name))).toEqual([]);
  });
});

describe('matching a test named in docs/security/', () => {
  const test = { file: 'a.test.ts', titles: ['a group', 'takes 5 of "x" (standards: A1)'], passed: true };

  it.each([
    ['its title', ['takes %i of "%s"']],
    ['its group', ['a group']],
    ['the way to it', ['a group', 'takes ${COUNT} of "x"']],
  ])('matches a test by %s', (_what, titles) => {
    expect(isNamed(test, { file: 'a.test.ts', titles })).toBe(true);
  });

  it.each([
    ['another file', 'b.test.ts', ['a group']],
    ['a part of its title', 'a.test.ts', ['takes 5']],
    ['another title', 'a.test.ts', ['takes %i of "y"']],
    ['another way', 'a.test.ts', ['another group', 'takes %i of "%s"']],
    ['a longer way', 'a.test.ts', ['takes %i of "%s"', '%s']],
  ])('does not match a test by %s', (_what, file, titles) => {
    expect(isNamed(test, { file, titles })).toBe(false);
  });

  it('a requirement is proven when all tests of its names have run and passed', () => {
    const page = readRequirements('| A1 | x | met | | `a.test.ts` › a group<br>› takes %i of "%s" |');
    expect(page).toMatchObject([{ ids: ['A1'], state: 'met' }]);
    expect(unproven(page, [test])).toEqual([]);
    expect(unproven(page, [test, { ...test, passed: false }])).toEqual([
      'a.test.ts › a group',
      'a.test.ts › takes %i of "%s"',
    ]);
    expect(unproven(page, [{ ...test, titles: ['a group'] }])).toEqual(['a.test.ts › takes %i of "%s"']);
  });
});

/** The text of a test file, and of the suites that it shares with others. */
function sourceOf(file: string): string {
  const text = read(file);
  const imported = Array.from(text.matchAll(/from '(\.[^']+)'/g), ([, path = '']) => join(file, '..', path));
  return [text, ...imported.filter((path) => /^test(?:kit)?\//.test(path)).map(read)].join('\n');
}

/** Whether a text has a title as a literal, with or without names in parentheses behind it. */
function isTitleIn(source: string, title: string): boolean {
  return new RegExp(`(['"\`])${literally(title)}(?: \\([^()]*\\))?\\1`).test(source);
}

/** The rows that a name such as `A5–A7` or `A5` covers. */
function expand(name: string): string[] {
  const [, letter = '', first, last] = /^([A-Z])(\d+)–\1(\d+)$/.exec(name) ?? [];
  if (first === undefined) return [name];
  return Array.from(
    { length: Number(last) - Number(first) + 1 },
    (_, at) => `${letter}${Number(first) + at}`,
  );
}
