import type { z } from 'zod';
import { configJsonSchema } from '../../../src/config/json-schema.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** A key of the configuration, with `[]` in its path for any item of a list. */
export type SchemaKey = { path: string; schema: JsonSchema; isRequired: boolean; isSection: boolean };

/** Every key that the JSON Schema declares, sections included, in its order. */
export function schemaKeys(schema: JsonSchema = configJsonSchema(), parent = ''): SchemaKey[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    if (typeof child === 'boolean') return [];
    const path = parent === '' ? key : `${parent}.${key}`;
    const isRequired = schema.required?.includes(key) === true;
    const inside = isSchema(child.items) ? schemaKeys(child.items, `${path}[]`) : schemaKeys(child, path);
    return [{ path, schema: child, isRequired, isSection: inside.length > 0 }, ...inside];
  });
}

function isSchema(value: JsonSchema['items']): value is JsonSchema {
  return typeof value === 'object' && !Array.isArray(value);
}
