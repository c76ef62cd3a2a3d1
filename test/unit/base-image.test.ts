import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const workflow = read('.github/workflows/release.yml');
const bases = Array.from(read('Dockerfile').matchAll(/^FROM (\S+)/gm), ([, base = '']) => base);

/** The digest by which the release workflow replaces a base image. */
const digestOf = (base: string) => {
  const [, rest = ''] = workflow.split(`${base}=docker-image://docker.io/library/node@`);
  return rest.split('\n', 1)[0];
};

it('the release workflow replaces every base image of the Dockerfile by a digest', () => {
  expect(bases).not.toEqual([]);
  for (const base of bases) expect(digestOf(base)).toMatch(/^sha256:[0-9a-f]{64}$/);
});

it('the example API of the compose file runs on the base image of the Dockerfile, by the same digest', () => {
  const [base = ''] = bases;
  const { services } = parse(read('deploy/compose.yaml'));
  expect(services.api.image).toBe(`${base}@${digestOf(base)}`);
});
