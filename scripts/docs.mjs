import { attachNode } from './runtime.mjs';
import { ensurePackages } from './install.mjs';

/** Builds the site of the documentation into site/dist, with packages of its own; `--serve` serves it while it is written. */
export async function docs(progress, args) {
  await ensurePackages(progress, 'site');
  const command = args.includes('--serve') ? 'dev' : 'build';
  return attachNode(['site/node_modules/vitepress/bin/vitepress.js', command, 'site']);
}
