import type { z } from 'zod';
import { configJsonSchema } from '../../../src/config/json-schema.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * A key of the configuration, with `[]` in its path for any item of a list. Where a mapping may be of one kind or another,
 * each kind has keys of its own.
 */
export type SchemaKey = {
  path: string;
  kind: string | undefined;
  schema: JsonSchema;
  isRequired: boolean;
  isSection: boolean;
};

/** Every key that the JSON Schema declares, sections included, in its order. */
export function schemaKeys(schema: JsonSchema = configJsonSchema(), parent = '', kind?: string): SchemaKey[] {
  const kinds = schema.anyOf?.filter(({ type }) => type === 'object') ?? [];
  if (kinds.length > 1) return kinds.flatMap((each) => schemaKeys(each, parent, kindOf(each)));
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    if (typeof child === 'boolean') return [];
    const path = parent === '' ? key : `${parent}.${key}`;
    const isRequired = schema.required?.includes(key) === true;
    const inside = isSchema(child.items)
      ? schemaKeys(child.items, `${path}[]`, kind)
      : schemaKeys(child, path, kind);
    return [{ path, kind, schema: child, isRequired, isSection: inside.length > 0 }, ...inside];
  });
}

/** What the `type` of a kind of mapping says. */
function kindOf({ properties }: JsonSchema): string {
  const { type } = properties ?? {};
  const [first] = (typeof type === 'object' && type.anyOf) || [];
  return String(typeof first === 'object' ? first.const : undefined);
}

function isSchema(value: JsonSchema['items']): value is JsonSchema {
  return typeof value === 'object' && !Array.isArray(value);
}
