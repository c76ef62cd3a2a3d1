import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SignIn } from './provider/demo-provider.ts';

/** The files of the single-page app, together in a directory of their own. */
export interface PageFiles {
  directory: string;
  remove(): void;
}

/**
 * Puts the page, the built browser helper that it imports, and its way to sign in into a directory that is removed with
 * this process.
 */
export function gatherPageFiles(root: string, signIn: SignIn): PageFiles {
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-demo-'));
  cpSync(join(root, 'demo/spa'), directory, { recursive: true });
  cpSync(join(root, 'dist/client'), join(directory, 'coatcheck'), {
    recursive: true,
    filter: (file) => file.endsWith('.js') || !/\.\w+$/.test(file),
  });
  writeFileSync(join(directory, 'settings.js'), `export const signIn = ${JSON.stringify(signIn)};\n`);
  function remove(): void {
    process.off('exit', remove);
    rmSync(directory, { recursive: true, force: true });
  }
  process.on('exit', remove);
  return { directory, remove };
}

/** Whether the gateway and the browser helper have been built. */
export function isBuilt(root: string): boolean {
  return existsSync(join(root, 'dist/main.js')) && existsSync(join(root, 'dist/client/index.js'));
}
