import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readPage, sectionOf } from '../../testkit/project/markdown.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const section = sectionOf(read('docs/refresh.md'), 'Figures of the chaos tests');
const [header, ...rows] = readPage(section).rows;
const titles = new Set(
  globSync('test/chaos/*.test.ts', { cwd: root }).flatMap((file) =>
    Array.from(read(file).matchAll(/\bit\(\s*(['"`])(.+?)\1,\s*async/g), ([, , title = '']) => title),
  ),
);

it('the table of figures in docs/refresh.md has only titles of chaos tests, each once', () => {
  const named = rows.map(([title = '']) => title);
  expect(named.length).toBeGreaterThanOrEqual(7);
  expect(named.filter((title) => !titles.has(title))).toEqual([]);
  expect(new Set(named).size).toBe(named.length);
});

it('the table of figures in docs/refresh.md shows figures that add up in every row', () => {
  expect(header).toEqual(['Chaos test', 'Sessions', 'Refreshes', 'Tokens spent', 'Spent twice', 'Lost']);
  for (const [title, ...figures] of rows) {
    const [sessions = 0, refreshes = 0, spent = 0, twice, lost] = figures.map(Number);
    expect({ title, twice, lost }).toEqual({ title, twice: 0, lost: 0 });
    expect(sessions).toBeGreaterThan(0);
    expect(spent).toBeGreaterThan(0);
    expect(refreshes).toBeGreaterThanOrEqual(spent);
  }
});
