import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

it('the release workflow replaces every base image of the Dockerfile by a digest', () => {
  const bases = Array.from(read('Dockerfile').matchAll(/^FROM (\S+)/gm), ([, base = '']) => base);
  expect(bases).not.toEqual([]);
  const workflow = read('.github/workflows/release.yml');
  for (const base of bases) {
    const [, digest] = workflow.split(`${base}=docker-image://docker.io/library/node@`);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n/);
  }
});
