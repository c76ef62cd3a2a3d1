import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { renderPage } from '../../../bench/report/page.ts';
import { readResults } from '../../../bench/results.ts';

it('docs/performance.md tells the results that were kept: `npm run bench -- page` writes it', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/performance.md'), 'utf8');
  expect(await renderPage(page, readResults())).toBe(page);
});
