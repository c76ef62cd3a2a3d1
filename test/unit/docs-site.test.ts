import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveLink } from '../../site/links.mjs';
import { pages, root, sidebar } from '../../site/navigation.mjs';
import { readPage } from '../../testkit/project/markdown.ts';

const sources = [...pages.keys()];

describe('the site of the documentation', () => {
  it('the site has every page of docs/, each once', () => {
    const links = sidebar().flatMap(({ items }) => items.map(({ link }) => link));
    expect(new Set(links).size).toBe(links.length);
    expect(globSync('docs/**/*.md', { cwd: root }).filter((page) => !pages.has(page))).toEqual([]);
  });

  it.each(sources)('the page of the site from %s has no dead link', (source) => {
    const { links } = readPage(readFileSync(join(root, source), 'utf8'));
    for (const link of links.filter((each) => !/^[a-z]+:/.test(each))) {
      const target = resolveLink(source, link);
      if (target.kind !== 'page') continue;
      const [address = '', anchor] = target.url.slice(1).split('#');
      const page = sources.find((each) => pages.get(each) === address);
      expect(page, link).toBeDefined();
      const { anchors } = readPage(readFileSync(join(root, page ?? ''), 'utf8'));
      if (anchor !== undefined) expect(anchors, link).toContain(anchor);
    }
  });

  it.each(sources.filter((source) => /^docs\/(?!decisions\/|performance|operations)/.test(source)))(
    '%s begins with what its reader can do after it',
    (source) => {
      const [, first = ''] = readFileSync(join(root, source), 'utf8').split('\n\n');
      expect(first).toMatch(/^After this page /);
    },
  );
});
