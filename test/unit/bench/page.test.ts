import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replaceBetween } from '../../../bench/report/page.ts';
import { studies } from '../../../bench/studies.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/performance.md'), 'utf8');

describe('docs/performance.md', () => {
  it.each(Object.keys(studies))(
    'docs/performance.md has a section with results for `npm run bench -- %s`',
    (id) => {
      const changed = replaceBetween(page, id, 'new results');
      expect(changed).toContain(`<!-- bench:${id} -->\n\nnew results\n\n<!-- /bench:${id} -->`);
      const [before = '', rest = ''] = page.split(`<!-- bench:${id} -->`);
      expect(changed.startsWith(before)).toBe(true);
      expect(rest.split(`<!-- /bench:${id} -->`)[0]).toMatch(/\| .* \|/);
    },
  );

  it('results of a subject without a section leave the page unchanged', () => {
    expect(() => replaceBetween(page, 'unknown', 'text')).toThrow('has no <!-- bench:unknown -->');
  });
});
