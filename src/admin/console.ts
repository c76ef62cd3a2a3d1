import { readFile } from 'node:fs/promises';
import { createDocumentHeaders } from '../http/security-headers.ts';
import type { Page } from './page.ts';

/** The same relative path in `src` and in `dist`. */
const FILE = new URL('console.html', import.meta.url);

/** The admin console: one static document that fetches the other pages of the admin listener. */
export const consolePage: Page = {
  async GET(response) {
    const html = await readFile(FILE, 'utf8');
    const setHeaders = createDocumentHeaders({
      script: contentOf('script', html),
      style: contentOf('style', html),
    });
    setHeaders(response);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(html);
  },
};

function contentOf(element: 'script' | 'style', html: string): string {
  return new RegExp(`<${element}\\b[^>]*>(.*?)</${element}>`, 's').exec(html)?.[1] ?? '';
}
