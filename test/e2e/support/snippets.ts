import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserPage } from '../../../testkit/browsers/browser.ts';
import { readPage } from '../../../testkit/project/markdown.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const languages = ['js', 'ts', 'tsx', 'html'];

/** The pages of the documentation with code of an app or of a server. */
export const documentsWithCode = ['README.md', 'docs/**/*.md', 'packages/client/README.md'].flatMap(
  (pattern) => globSync(pattern, { cwd: root }),
);

/** A page, and a part of one snippet on it. */
export type SnippetName = readonly [page: string, part: string];

export type Snippet = { readonly language: string; readonly text: string };

/** The code on a page of the documentation, in the languages of an app. */
export async function snippetsOf(page: string): Promise<Snippet[]> {
  const { blocks } = readPage(await readFile(join(root, page), 'utf8'));
  return blocks.filter(({ language }) => languages.includes(language));
}

/** The one snippet of a page that contains a text. */
async function findSnippet(page: string, part: string): Promise<Snippet> {
  const [found, ...others] = (await snippetsOf(page)).filter(({ text }) => text.includes(part));
  if (found === undefined || others.length > 0)
    throw new Error(`${page} does not have exactly one snippet with ${part}`);
  return found;
}

/** The text of a snippet as the page shows it, for a bundler. */
export const snippetOf = async (page: string, part: string) => (await findSnippet(page, part)).text;

/** A snippet for a browser beside the built helper: TypeScript becomes JavaScript. */
export async function snippetFor(page: string, part: string): Promise<string> {
  const { language, text } = await findSnippet(page, part);
  if (['tsx', 'html'].includes(language)) return text;
  return stripTypeScriptTypes(text).replace("'coatcheck-client'", "'/coatcheck/index.js'");
}

/** The functions that the snippets leave to the reader. */
const READERS_OWN = [
  'greet',
  'showSignInButton',
  'showSignInLink',
  'showNotice',
  'showDialog',
  'hidePersonalData',
  'showProgress',
];

type Recorder = { calls: unknown[][] };

/** Runs a snippet as a module of the page, and returns the calls of the reader's functions until its end. */
export async function runSnippet(page: BrowserPage, code: string): Promise<unknown[][]> {
  await page.evaluate(
    async ([source, names]) => {
      const calls: unknown[][] = [];
      const own = names.map((name) => [name, (...args: unknown[]) => calls.push([name, ...args])] as const);
      Object.assign(window, Object.fromEntries(own), { calls });
      console.log = (...args) => void calls.push(['log', ...args]);
      const ended = new Promise((resolve, reject) => Object.assign(window, { resolve, reject }));
      const script = document.createElement('script');
      script.type = 'module';
      script.textContent = `${source}\nresolve();`;
      window.addEventListener('error', ({ message }) =>
        (window as never as { reject(why: string): void }).reject(message),
      );
      document.head.append(script);
      await ended;
    },
    [code, READERS_OWN] as const,
  );
  return callsOn(page);
}

/** The calls of the reader's functions up to now: their names and arguments, without what is no JSON. */
export function callsOn(page: BrowserPage): Promise<unknown[][]> {
  return page.evaluate(
    () => JSON.parse(JSON.stringify((window as unknown as Recorder).calls)) as unknown[][],
  );
}

/** Clicks the button of the latest call of a reader's function: runs its `onClick`. */
export function clickShown(page: BrowserPage): Promise<void> {
  return page.evaluate(() => {
    const { calls } = window as unknown as Recorder;
    const notice = calls.at(-1)?.at(-1) as { onClick(): unknown } | undefined;
    setTimeout(() => notice?.onClick());
  });
}
