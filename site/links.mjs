import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { pages, root } from './navigation.mjs';

/**
 * Where a relative link of a page leads on the site: to a page, to a file of the repository that the site has to contain,
 * or, for a folder, nowhere. Throws if the target does not exist.
 */
export function resolveLink(source, link) {
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
export function repositoryLinks(markdown, files) {
  markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
    // The search index names the source of a page, the page itself its place on the site.
    const { relativePath: path } = env;
    const source = pages.has(path) ? path : sources.get(path);
    for (const { children } of tokens) {
      for (const [index, token] of (children ?? []).entries()) {
        if (token.type === 'link_open') rewrite(children, index, source, files);
      }
    }
  });
}

function rewrite(tokens, index, source, files) {
  const link = tokens[index].attrGet('href');
  if (/^(?:[a-z]+:|#)/.test(link)) return;
  const target = resolveLink(source, link);
  if (target.kind === 'folder') {
    const end = tokens.findIndex(({ type }, at) => at > index && type === 'link_close');
    for (const token of [tokens[index], tokens[end]]) Object.assign(token, { type: 'text', tag: '', content: '' });
    return;
  }
  tokens[index].attrSet('href', target.url);
  if (target.kind === 'page') return;
  files.add(target.file);
  tokens[index].attrSet('target', '_blank');
}
