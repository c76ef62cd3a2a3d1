import { readFileSync } from 'node:fs';

/** The version of this package. The file has the same relative path from `src` and from `dist`. */
export const VERSION: string = readVersion(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

function readVersion(text: string): string {
  const manifest: unknown = JSON.parse(text);
  const version: unknown =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : undefined;
  return typeof version === 'string' ? version : 'unknown';
}
