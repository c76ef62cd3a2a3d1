import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attach, capture } from './children.mjs';
import { Failure } from './failure.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');

/** The Node.js that the lockfile pins, through the npm package `node`. */
const node = join(modules, 'node', 'bin', 'node');

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

/** The environment without this project's programs on PATH: for npm, which may be replacing them. */
export function unpinned() {
  const path = process.env.PATH.split(delimiter).filter((folder) => !folder.startsWith(modules));
  return { ...process.env, PATH: path.join(delimiter) };
}

/** Throws a Failure that says what to do unless the pinned Node.js runs and is one that Coatcheck supports. */
export async function verifyRuntime() {
  if (!existsSync(node)) {
    throw new Failure(
      'node_modules/node/bin/node is missing: the install script of the npm package "node", which fetches the pinned ' +
        'Node.js, did not run.\n  Run `npm rebuild node --ignore-scripts=false`, then this command again.',
    );
  }
  const { code, output } = await capture(node, ['--version']);
  if (code !== 0) {
    throw new Failure(
      'node_modules/node/bin/node does not run on this machine. The pinned Node.js needs Linux with glibc, or macOS; ' +
        'elsewhere, build the Dockerfile.',
      { output },
    );
  }
  const major = Number(/^v(\d+)\./.exec(output)?.[1]);
  if (major !== 24 && !(major >= 26)) {
    throw new Failure(
      `node_modules/node is Node.js ${output.trim()}, and Coatcheck needs 24, or 26 and later.\n` +
        '  Run `npm ci`, then this command again.',
    );
  }
}

function pinned(env) {
  const path = [join(modules, '.bin'), join(modules, 'node', 'bin'), process.env.PATH];
  return { ...process.env, ...env, PATH: path.join(delimiter) };
}
