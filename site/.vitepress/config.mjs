import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig } from 'vitepress';
import { anchorOf } from '../../testkit/project/markdown.ts';
import { repositoryLinks } from '../links.ts';
import { pages, root, sidebar } from '../navigation.ts';

/** Files of the repository to which pages link, such as configurations. The site contains them as text. */
const files = new Set();
const base = process.env.DOCS_BASE ?? '/';

export default defineConfig({
  title: 'Coatcheck',
  description:
    'A token gateway for single-page apps: the browser keeps one cookie, the server keeps the tokens.',
  srcDir: '..',
  // Only what the navigation lists is a page: the site has its own idea of a source folder, the root of the repository.
  srcExclude: [
    '{bench,config,demo,packages,scripts,site,src,test,testkit}/**',
    'README.md',
    '**/{examples,deploy}/*/**',
  ],
  outDir: '../site/dist',
  rewrites: Object.fromEntries(pages),
  base,
  head: [['link', { rel: 'icon', href: `${base}favicon.svg` }]],
  lastUpdated: false,
  markdown: {
    anchor: { slugify: anchorOf },
    config: (markdown) => repositoryLinks(markdown, files),
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: sidebar(),
    nav: [
      { text: 'Get started', link: '/get-started' },
      { text: 'Security', link: '/security' },
      { text: 'Operations', link: '/operations' },
      { text: 'Configuration', link: '/configuration' },
    ],
  },
  buildEnd({ outDir }) {
    copyFileSync(join(root, 'demo/spa/favicon.svg'), join(outDir, 'favicon.svg'));
    for (const file of files) {
      const place = join(outDir, 'files', `${file}.txt`);
      mkdirSync(dirname(place), { recursive: true });
      copyFileSync(join(root, file), place);
    }
  },
});
