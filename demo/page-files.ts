import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The files of the single-page app, together in a directory of their own. */
export interface PageFiles {
  directory: string;
  remove(): void;
}

/** Puts the page and the built browser helper, which it imports, into a directory that goes with this process. */
export function gatherPageFiles(root: string): PageFiles {
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-demo-'));
  cpSync(join(root, 'demo/spa'), directory, { recursive: true });
  cpSync(join(root, 'dist/client'), join(directory, 'coatcheck'), {
    recursive: true,
    filter: (file) => file.endsWith('.js') || !/\.\w+$/.test(file),
  });
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
