import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPage } from './markdown.ts';

const FOLDER = 'docs/security';

/** A row of a table in docs/security/. */
export type Requirement = {
  /** Its row id, or every name of an advisory. */
  readonly ids: readonly string[];
  readonly state: State;
  /** How it is met, or why it is not met. */
  readonly how: string;
  readonly evidence: readonly Evidence[];
  /** Whether a documentation page replaces tests. */
  readonly isDocumented: boolean;
};

const states = ['met', 'in part', 'not met', 'not applicable'] as const;
export type State = (typeof states)[number];

/** A test or a group of tests: its file, and the titles of its groups and the test, as in the source. */
export type Evidence = { readonly file: string; readonly titles: readonly string[] };

/** A test that ran: its file, its title and before it those of its groups. */
export type RunTest = { readonly file: string; readonly titles: readonly string[]; readonly passed: boolean };

/** Reads the tables of every page in docs/security/. `root` is the directory of the project. */
export function readSecurityPages(root: string): Requirement[] {
  const pages = readdirSync(join(root, FOLDER)).filter((name) => name.endsWith('.md'));
  return pages.flatMap((name) => readRequirements(readFileSync(join(root, FOLDER, name), 'utf8')));
}

/** Reads all tables of a page that have states. */
export function readRequirements(text: string): Requirement[] {
  return readPage(text).rows.flatMap((cells) => {
    const [ids = '', , state = '', how = '', shown = ''] = cells;
    const known = states.find((each) => each === state);
    if (known === undefined || cells.length !== 5) return [];
    const isDocumented = /^\[[^\]]+\]\([^)]+\)$/.test(shown);
    const evidence = shown === '' || isDocumented ? [] : readEvidence(shown);
    return [{ ids: ids.split(/, | \/ /), state: known, how, evidence, isDocumented }];
  });
}

/** Reads "`file` › title<br>› title of the same file". An unreadable entry counts as a missing test. */
function readEvidence(shown: string): Evidence[] {
  let file = '';
  return shown.split('<br>').map((item) => {
    const [, named, way = item] = /^(?:`([^`]+)` )?› (.+)$/.exec(item.replaceAll(/\\([*_])/g, '$1')) ?? [];
    file = named ?? file;
    return { file, titles: way.split(' › ') };
  });
}

/** A title without the parentheses at its end, which name rows of the page or advisories. */
function withoutNames(title: string): string {
  return title.replace(/ \([^()]*\)$/, '');
}

/** True when a test has the named title or is in the named group; `%s` and `${…}` match any text. */
export function isNamed(test: RunTest, { file, titles }: Evidence): boolean {
  if (test.file !== file) return false;
  const patterns = titles.map(patternOf);
  return test.titles.some((_title, start) => {
    const way = test.titles.slice(start, start + patterns.length).map(withoutNames);
    return way.length === patterns.length && way.every((title, at) => patterns[at]?.test(title));
  });
}

/** The named tests that a run has not proven: none of that name ran, or one of them failed. */
export function unproven(requirements: readonly Requirement[], tests: readonly RunTest[]): string[] {
  const named = new Map(requirements.flatMap(({ evidence }) => evidence).map((each) => [nameOf(each), each]));
  return [...named].flatMap(([name, evidence]) => {
    const found = tests.filter((test) => isNamed(test, evidence));
    return found.length > 0 && found.every(({ passed }) => passed) ? [] : [name];
  });
}

export const nameOf = ({ file, titles }: Evidence) => [file, ...titles].join(' › ');

const placeholder = /%(?:\.\d+)?[a-zA-Z#$]|\$\{[^}]*\}/;

function patternOf(title: string): RegExp {
  return new RegExp(`^${title.split(placeholder).map(literally).join('.*')}$`, 's');
}

/** A regular expression for exactly this text. */
export function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
