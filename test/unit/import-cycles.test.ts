import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importCycles } from '../../testkit/project/import-cycles.ts';

const root = join(import.meta.dirname, '../..');

/** The text of every TypeScript file in some folders, by its path from the root. */
function readSources(folders: readonly string[]): Record<string, string> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return Object.fromEntries(
    files.map((file) => [relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8')]),
  );
}

describe('imports', () => {
  it('imports form no cycle in the product, the demo, the testkit and the benchmark, including type imports', () => {
    const sources = readSources(['src', 'demo', 'testkit', 'bench']);
    expect(Object.keys(sources)).toContain('src/main.ts');
    expect(importCycles(sources)).toEqual([]);
  });

  it.each([
    ['two files', { 'a.ts': `import { b } from './b.ts';`, 'b.ts': `import { a } from './a.ts';` }],
    [
      'two files that import types',
      { 'a.ts': `import type { B } from './x/b.ts';`, 'x/b.ts': `export type { A } from '../a.ts';` },
    ],
    [
      'three files',
      {
        'a.ts': `import './b.ts';`,
        'b.ts': `import './c.ts';\nimport './d.ts';`,
        'c.ts': `const a = await import('./a.ts');`,
        'd.ts': '',
      },
    ],
    ['one file', { 'a.ts': `import * as self from './a.ts';` }],
  ])('import cycles of %s are reported', (_what, sources: Record<string, string>) => {
    expect(importCycles(sources)).toEqual([Object.keys(sources).filter((file) => file !== 'd.ts')]);
  });

  it('imports shared by files without a cycle are not reported', () => {
    const shared = { 'a.ts': `import './b.ts';\nimport './c.ts';`, 'b.ts': `import './c.ts';`, 'c.ts': '' };
    expect(importCycles(shared)).toEqual([]);
  });
});

describe('folders', () => {
  /** The files beside the subfolders of each folder, by its path from the root. */
  function countFiles(folder: string): [folder: string, files: number][] {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    const below = entries.filter((entry) => entry.isDirectory()).map((entry) => `${folder}/${entry.name}`);
    return [[folder, entries.filter((entry) => entry.isFile()).length], ...below.flatMap(countFiles)];
  }

  it('folders of the product, the tests, the testkit, the demo and the benchmark hold about a dozen files at most', () => {
    const folders = ['src', 'test', 'testkit', 'demo', 'bench'].flatMap(countFiles);
    expect(folders.filter(([, files]) => files > 15)).toEqual([]);
  });
});
