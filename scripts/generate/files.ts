import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { inputType } from './input-type.ts';
import { configJsonSchema } from './json-schema.ts';
import { referenceYaml } from './reference.ts';
import { fillTables } from './tables.ts';

/** The files that are derived from the declaration of the configuration, and how to generate each. */
const generators: Readonly<Record<string, (committed: string) => string>> = {
  'config/coatcheck.schema.json': () => JSON.stringify(configJsonSchema()),
  'config/reference.yaml': referenceYaml,
  'docs/configuration.md': fillTables,
  'src/config/config-input.ts': inputType,
};

export type GeneratedFile = { readonly path: string; readonly committed: string; readonly generated: string };

/** Every generated file, by its path from the root, with its current and its expected content. */
export function generatedFiles(): Promise<GeneratedFile[]> {
  return Promise.all(
    Object.entries(generators).map(async ([path, generate]) => {
      const filepath = placeOf(path);
      const committed = await readFile(filepath, 'utf8');
      const style = await resolveConfig(filepath);
      return { path, committed, generated: await format(generate(committed), { ...style, filepath }) };
    }),
  );
}

/** The absolute path of a file of the repository. */
export function placeOf(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
