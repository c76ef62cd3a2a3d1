import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';

/** The configuration of the demo's gateway. */
export interface ConfigFile {
  path: string;
  remove(): void;
}

/** Writes `config/demo.yaml` with another provider into a temporary directory, removed when this process ends. */
export function writeConfigFile(root: string, provider: Record<string, unknown>): ConfigFile {
  const document = parseDocument(readFileSync(join(root, 'config/demo.yaml'), 'utf8'));
  document.set('provider', document.createNode(provider));
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-demo-'));
  const path = join(directory, 'coatcheck.yaml');
  writeFileSync(path, document.toString(), { mode: 0o600 });
  function remove(): void {
    process.off('exit', remove);
    rmSync(directory, { recursive: true, force: true });
  }
  process.on('exit', remove);
  return { path, remove };
}
