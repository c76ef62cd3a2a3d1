import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { captureNode, tool } from './runtime.mjs';

const stamp = 'dist/.stamp';

/** The output of the package `coatcheck-client`: src/client as the root has compiled it, and the package's own sources. */
const clientPackage = 'packages/client';
const clientSettings = join(clientPackage, 'tsconfig.build.json');
const clientOutput = join(clientPackage, 'dist');

/**
 * Compiles src and the packages when the output is out of date. A build that fails in src leaves the former dist in
 * place.
 */
export async function ensureBuilt(progress) {
  const wanted = fingerprint();
  const isBuilt = existsSync(stamp) && existsSync(join(clientOutput, 'react.js'));
  if (isBuilt && readFileSync(stamp, 'utf8') === wanted) return;

  const next = `.dist-${process.pid}`;
  try {
    const { code, output } = await progress.step('building (tsc)', () => compile(next));
    if (code !== 0) throw new Failure('the build failed; dist is unchanged', { output });
    copyFileSync('src/admin/console.html', join(next, 'admin/console.html'));
    chmodSync(join(next, 'main.js'), 0o755);
    writeFileSync(join(next, '.stamp'), wanted);
    replace('dist', next);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

async function compile(next) {
  const compiled = await captureNode(tool('tsc', '-p', 'tsconfig.build.json', '--outDir', next));
  if (compiled.code !== 0) return compiled;
  rmSync(clientOutput, { recursive: true, force: true });
  cpSync(join(next, 'client'), clientOutput, { recursive: true });
  return captureNode(tool('tsc', '-p', clientSettings));
}

/** A digest of everything that the compiler's output depends on. */
function fingerprint() {
  const sources = ['src', join(clientPackage, 'src')]
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort((one, other) => one.localeCompare(other));
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json'].concat(
    clientSettings,
    join(clientPackage, 'package.json'),
  );
  const hash = createHash('sha256');
  for (const file of [...sources, ...settings]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/** Two renames, so that the folder is never incomplete; the previous content is deleted last. */
function replace(folder, next) {
  const former = `${next}-former`;
  const hasFormer = existsSync(folder);
  if (hasFormer) renameSync(folder, former);
  try {
    renameSync(next, folder);
  } catch (error) {
    if (hasFormer) renameSync(former, folder);
    throw error;
  }
  rmSync(former, { recursive: true, force: true });
}
