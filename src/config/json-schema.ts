import { z } from 'zod';
import { configSchema } from './schema/schema.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

const interpolation = {
  description: 'A string with ${NAME}, ${NAME:-default} or ${file:/path}, replaced before validation.',
  type: 'string',
  pattern: '\\$\\{.+\\}',
} as const;

/**
 * The JSON Schema (draft 2020-12) of the configuration file, for editors.
 *
 * It accepts an interpolation wherever a value stands, and it does not hold the rules between keys.
 */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Coatcheck configuration',
    description: 'The configuration file of the Coatcheck token gateway.',
    ...interpolable(schema),
    $defs: { interpolation },
  };
}

/** The schema, with an interpolation accepted in place of every value that is not a list or a mapping. */
function interpolable(schema: JsonSchema): JsonSchema {
  const { type, properties, items, additionalProperties, oneOf, ...rest } = schema;
  // Kinds told apart by a key: with an interpolation in that key's place a mapping may be of any of them.
  if (oneOf !== undefined) return { ...rest, anyOf: oneOf.map(interpolable) };
  if (type !== 'object' && type !== 'array') return interpolableValue(schema);
  return {
    ...schema,
    ...(properties && { properties: mapValues(properties, nested) }),
    ...(additionalProperties !== undefined && { additionalProperties: nested(additionalProperties) }),
    ...(items !== undefined && !Array.isArray(items) && { items: nested(items) }),
  };
}

function interpolableValue({ description, default: preset, ...value }: JsonSchema): JsonSchema {
  const kinds = value.anyOf ?? [value];
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    anyOf: [...kinds.map((kind) => withoutNoLimit(kind)), { $ref: '#/$defs/interpolation' }],
  };
}

/** Drops the largest safe integer as a maximum, which is no limit that anybody chose. */
function withoutNoLimit(schema: JsonSchema): JsonSchema {
  const { maximum, ...rest } = schema;
  return maximum === Number.MAX_SAFE_INTEGER ? rest : schema;
}

function nested(schema: JsonSchema | boolean): JsonSchema | boolean {
  return typeof schema === 'boolean' ? schema : interpolable(schema);
}

function mapValues<T>(record: Record<string, T>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
