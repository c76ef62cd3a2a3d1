import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

type LockedPackage = {
  version?: string;
  integrity?: string;
  optional?: boolean;
  link?: boolean;
  os?: string | string[];
  cpu?: string | string[];
  hasInstallScript?: boolean;
};

const read = <T>(path: string): T =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../..', path), 'utf8'));
const { optionalDependencies: platforms } = read<{ optionalDependencies: Record<string, string> }>(
  'scripts/pinned-node/package.json',
);
const { packages } = read<{ packages: Record<string, LockedPackage> }>('package-lock.json');
const sha512 = /^sha512-[A-Za-z0-9+/]{86}==$/;

it.each(Object.entries(platforms))(
  'the lockfile pins %s, one platform’s Node.js, at %s as an optional package with its hash',
  (name, version) => {
    const locked = packages[`node_modules/${name}`];
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(locked).toMatchObject({ version, optional: true, integrity: expect.stringMatching(sha512) });
    expect(name).toMatch(new RegExp(`${String(locked?.os)}-${String(locked?.cpu)}$`));
  },
);

it('the lockfile has the Node.js of Linux and macOS on both processors', () => {
  const names = Object.keys(platforms).map((name) => name.split('-').slice(-2).join('-'));
  expect(names.toSorted()).toEqual(['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64']);
});

it('no package of the lockfile has an install script or lacks a hash', () => {
  const installed = Object.entries(packages).filter(
    ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
  );
  expect(installed.length).toBeGreaterThan(100);
  const unsafe = installed.filter(
    ([, { hasInstallScript, integrity = '' }]) => hasInstallScript === true || !sha512.test(integrity),
  );
  expect(unsafe.map(([path]) => path)).toEqual([]);
});
