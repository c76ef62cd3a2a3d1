import { z } from 'zod';

/** The JSON Schema of the configuration before parsing, with the metadata of `key-metadata.ts`. */
export type KeySchema = z.core.JSONSchema.BaseSchema;

/** A key that the configuration declares, with the metadata of its declaration. */
export type DeclaredKey = {
  /** `*` stands for any index of a list. */
  readonly path: readonly string[];
  /** The provider type that has this key; undefined outside of `provider`. */
  readonly providerType: string | undefined;
  readonly schema: KeySchema;
  readonly isRequired: boolean;
  /** Whether the key is a mapping with keys of its own, or a list of such mappings. */
  readonly isSection: boolean;
};

/** Every key of the configuration in the order of declaration, sections included. */
export function declaredKeys(schema: z.ZodType): DeclaredKey[] {
  return keysOf(keySchema(schema), [], undefined);
}

/** The JSON Schema of a declaration. Provider kinds are its only `oneOf`. */
export function keySchema(schema: z.ZodType): KeySchema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
}

function keysOf(
  schema: KeySchema,
  parent: readonly string[],
  providerType: string | undefined,
): DeclaredKey[] {
  if (schema.oneOf !== undefined) return schema.oneOf.flatMap((kind) => keysOf(kind, parent, typeOf(kind)));
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    if (typeof child === 'boolean') return [];
    const path = [...parent, key];
    const isRequired = schema.required?.includes(key) === true;
    const item = itemOf(child);
    const inside =
      item === undefined ? keysOf(child, path, providerType) : keysOf(item, [...path, '*'], providerType);
    return [{ path, providerType, schema: child, isRequired, isSection: inside.length > 0 }, ...inside];
  });
}

/** The sections below the top that have a key of this name, as `routes[].timeout`. */
export function sectionsWith(name: string, keys: readonly DeclaredKey[]): string[] {
  const sections = keys
    .filter(({ path }) => path.length > 1 && path.at(-1) === name)
    .map(({ path }) => path.slice(0, -1).join('.').replaceAll('.*', '[]'));
  return [...new Set(sections)];
}

/** The schema of the items of a list; undefined for anything else. */
export function itemOf({ items }: KeySchema): KeySchema | undefined {
  return typeof items === 'object' && !Array.isArray(items) ? items : undefined;
}

/** The `type` of a provider kind. */
export function typeOf({ properties }: KeySchema): string {
  const { type } = properties ?? {};
  return String(typeof type === 'object' ? type.const : undefined);
}
