import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { pages, root } from './navigation.ts';

export type LinkTarget =
  | { readonly kind: 'page'; readonly url: string }
  | { readonly kind: 'file'; readonly url: string; readonly file: string }
  | { readonly kind: 'folder' };

/** What this module uses of the tokens of markdown-it. */
type Token = {
  type: string;
  tag: string;
  content: string;
  children: Token[] | null;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
};
type State = { tokens: Token[]; env: { relativePath: string } };
type Markdown = { core: { ruler: { push(name: string, rule: (state: State) => void): void } } };

/**
 * Where a relative link of a page leads on the site: to a page, to a file of the repository that the site has to contain,
 * or, for a folder, nowhere. Throws if the target does not exist.
 */
export function resolveLink(source: string, link: string): LinkTarget {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? source : posix.normalize(posix.join(posix.dirname(source), path));
  const hash = anchor === undefined ? '' : `#${anchor}`;
  const page = pages.get(target === 'README.md' ? 'docs/README.md' : target);
  if (page !== undefined) return { kind: 'page', url: `/${page}${hash}` };
  const place = join(root, target);
  if (!existsSync(place)) throw new Error(`${source} links to ${link}, which does not exist`);
  if (statSync(place).isDirectory()) return { kind: 'folder' };
  // As text: a browser shows it, whatever it is.
  return { kind: 'file', file: target, url: `/files/${target}.txt` };
}

const sources = new Map([...pages].map(([source, page]) => [page, source]));

/** A plugin for markdown-it that makes the links of the repository those of the site. */
export function repositoryLinks(markdown: Markdown, files: Set<string>): void {
  markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
    // The search index names the source of a page, the page itself its place on the site.
    const { relativePath: path } = env;
    const source = pages.has(path) ? path : (sources.get(path) ?? path);
    for (const children of tokens.flatMap((token) => (token.children ? [token.children] : []))) {
      for (const [index, token] of children.entries()) {
        if (token.type === 'link_open') rewrite(children.slice(index), source, files);
      }
    }
  });
}

/** Rewrites the link that begins with the first of `tokens`. */
function rewrite([start, ...rest]: readonly Token[], source: string, files: Set<string>): void {
  const link = start?.attrGet('href') ?? '#';
  if (start === undefined || /^(?:[a-z]+:|#)/.test(link)) return;
  const target = resolveLink(source, link);
  if (target.kind === 'folder') {
    const end = rest.find(({ type }) => type === 'link_close');
    for (const token of [start, end]) if (token) Object.assign(token, { type: 'text', tag: '', content: '' });
    return;
  }
  start.attrSet('href', target.url);
  if (target.kind === 'page') return;
  files.add(target.file);
  start.attrSet('target', '_blank');
}
