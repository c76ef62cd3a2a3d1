import { readFileSync } from 'node:fs';
import { capture } from './children.mjs';
import { Failure } from './failure.mjs';
import { unpinned } from './runtime.mjs';
import { verifyRuntime } from './verify.mjs';

/** Brings node_modules to what package-lock.json says, when it is not there already, and proves the pinned Node.js. */
export async function ensureInstalled(progress) {
  await ensurePackages(progress, '.');
  await verifyRuntime(progress);
}

/** Brings the packages of a folder to what its package-lock.json says, when they are not there already. */
export async function ensurePackages(progress, folder) {
  const stale = staleness(folder);
  if (stale) {
    progress.say(`› ${stale}: installing packages, which takes a minute the first time`);
    const [command, ...args] = npm();
    // Warnings are left out: npm runs on the system's Node.js here, and would complain that it is not the pinned one.
    const quietly = [...args, 'ci', '--include=dev', '--loglevel=error', '--no-audit', '--no-fund'];
    const { code, output } = await progress.step('installing packages (npm ci)', () =>
      capture(command, quietly, { cwd: folder, env: unpinned() }),
    );
    if (code !== 0) {
      throw new Failure(
        'npm ci failed; see the output above. If the registry is unreachable, check `npm ping`, then run this again.',
        { output: head(output) },
      );
    }
  }
}

/**
 * Why packages must be installed, or undefined. npm leaves a copy of the lockfile in node_modules, as its last step,
 * with what it installed: that copy is the stamp, and an `npm ci` by hand counts too.
 */
function staleness(folder) {
  const installed = packagesIn(`${folder}/node_modules/.package-lock.json`);
  if (!installed) return 'no packages installed';
  for (const [path, wanted] of Object.entries(packagesIn(`${folder}/package-lock.json`) ?? {})) {
    if (path === '') continue;
    const found = installed[path];
    // What is optional is for one platform or another.
    const differs = found ? found.integrity !== wanted.integrity : !wanted.optional;
    if (differs) return 'packages differ from package-lock.json';
  }
  return undefined;
}

function packagesIn(lockfile) {
  try {
    return JSON.parse(readFileSync(lockfile, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The first lines: npm says what is wrong, then may go on with the whole of its help. */
function head(output) {
  const lines = output.trim().split('\n');
  const rest = lines.length - 30;
  return rest > 0 ? [...lines.slice(0, 30), `(${rest} more lines)`].join('\n') : output;
}

/** The npm that started this script, on the Node.js that it runs on; else the one on PATH. */
function npm() {
  const { npm_execpath: cli, npm_node_execpath: runner } = process.env;
  return cli?.endsWith('npm-cli.js') && runner ? [runner, cli] : ['npm'];
}
