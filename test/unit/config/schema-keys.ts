import type { DeclaredKey } from '../../../src/config/schema/declaration/declared-keys.ts';
import { configSchema } from '../../../src/provider/read-config.ts';

/** A key of the configuration, with `[]` in its path for any item of a list. Each provider type has keys of its own. */
export type SchemaKey = Omit<DeclaredKey, 'path' | 'providerType'> & {
  path: string;
  kind: string | undefined;
};

/** Every key that the configuration declares, sections included, in its order. */
export function schemaKeys(): SchemaKey[] {
  return configSchema.keys.map(({ path, providerType, ...key }) => ({
    ...key,
    path: path.join('.').replaceAll('.*', '[]'),
    kind: providerType,
  }));
}

/** Sets a value at a path of the schema and creates missing parents; `[]` is the first item of a list. */
export function place(into: unknown, path: readonly string[], value: unknown): void {
  let node = into;
  const steps = path.flatMap((key) => (key.endsWith('[]') ? [key.slice(0, -2), '0'] : [key]));
  for (const [at, key] of steps.entries()) {
    if (typeof node !== 'object' || node === null) return;
    if (at === steps.length - 1) return void Reflect.set(node, key, value);
    const next: unknown = Reflect.get(node, key);
    if (typeof next !== 'object' || next === null) Reflect.set(node, key, steps[at + 1] === '0' ? [] : {});
    node = Reflect.get(node, key);
  }
}
