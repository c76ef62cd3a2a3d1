import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveLink } from '../../site/links.ts';
import { pages, root, sidebar } from '../../site/navigation.ts';
import { readPage } from '../../testkit/project/markdown.ts';

const sources = [...pages.keys()];
const texts = new Map(sources.map((source) => [source, readFileSync(join(root, source), 'utf8')]));
const read = new Map([...texts].map(([source, text]) => [source, readPage(text)]));

describe('the site of the documentation', () => {
  it('the site has every page of docs/, each once', () => {
    const links = sidebar().flatMap(({ items }) => items.map(({ link }) => link));
    expect(new Set(links).size).toBe(links.length);
    expect(globSync('docs/**/*.md', { cwd: root }).filter((page) => !pages.has(page))).toEqual([]);
  });

  it.each(sources)('the page of the site from %s has no dead link', (source) => {
    const links = (read.get(source)?.links ?? []).filter((link) => !/^[a-z]+:/.test(link));
    expect(links.filter((link) => !leadsSomewhere(source, link))).toEqual([]);
  });

  it.each(sources.filter((source) => /^docs\/(?!decisions\/)/.test(source)))(
    '%s begins with what its reader can do after it',
    (source) => {
      const [, first = ''] = texts.get(source)?.split('\n\n') ?? [];
      expect(first).toMatch(/^After this page /);
    },
  );
});

/** Whether a link leads to a page of the site and an anchor on it, or to a file. Throws when the target does not exist. */
function leadsSomewhere(source: string, link: string): boolean {
  const target = resolveLink(source, link);
  if (target.kind !== 'page') return true;
  const [address, anchor] = target.url.slice(1).split('#');
  const page = read.get(sources.find((each) => pages.get(each) === address) ?? '');
  return page !== undefined && (anchor === undefined || page.anchors.has(anchor));
}
