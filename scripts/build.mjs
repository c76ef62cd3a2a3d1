import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
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

/** Compiles src to dist when dist is out of date. A failed build keeps the previous dist. */
export async function ensureBuilt(progress) {
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  const next = `.dist-${process.pid}`;
  try {
    const { code, output } = await progress.step('building (tsc)', () =>
      captureNode(tool('tsc', '-p', 'tsconfig.build.json', '--outDir', next)),
    );
    if (code !== 0) throw new Failure('the build failed; dist is unchanged', { output });
    copyFileSync('src/admin/console.html', join(next, 'admin/console.html'));
    chmodSync(join(next, 'main.js'), 0o755);
    writeFileSync(join(next, '.stamp'), wanted);
    replace('dist', next);
  } finally {
    rmSync(next, { recursive: true, force: true });
  }
}

/** A digest of everything that the compiler's output depends on. */
function fingerprint() {
  const sources = readdirSync('src', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json'];
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
