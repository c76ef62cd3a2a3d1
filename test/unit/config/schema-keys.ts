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
