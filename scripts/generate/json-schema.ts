import type { z } from 'zod';
import { keySchema, type KeySchema } from '../../src/config/schema/declaration/declared-keys.ts';
import { configSchema } from '../../src/provider/read-config.ts';
import { describe } from './metadata.ts';

const interpolation = {
  description: 'A string with ${NAME}, ${NAME:-default} or ${file:/path}, replaced before validation.',
  type: 'string',
  pattern: '\\$\\{.+\\}',
} as const;

/**
 * The JSON Schema (draft 2020-12) of the configuration file, for editors.
 *
 * It accepts an interpolation in place of any value, and does not contain the rules between keys.
 */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  const root = keySchema(configSchema.schema);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Coatcheck configuration',
    description: 'The configuration file of the Coatcheck token gateway.',
    ...interpolable(root),
    $defs: { interpolation, ...mapValues(root.$defs ?? {}, interpolable) },
  };
}

/** The schema, which also accepts an interpolation in place of every value that is not a list or a mapping. */
function interpolable(declared: KeySchema): KeySchema {
  const schema = forEditors(declared);
  const { type, properties, items, additionalProperties, oneOf, ...rest } = schema;
  if (schema.$ref !== undefined) return schema;
  // `type` tells the kinds apart; when it is an interpolation, the mapping may be of any kind.
  if (oneOf !== undefined) return { ...rest, anyOf: oneOf.map(interpolable) };
  if (type !== 'object' && type !== 'array') return interpolableValue(schema);
  return {
    ...schema,
    ...(properties && { properties: mapValues(properties, nested) }),
    ...(additionalProperties !== undefined && { additionalProperties: nested(additionalProperties) }),
    ...(items !== undefined && !Array.isArray(items) && { items: nested(items) }),
  };
}

/** The metadata of a key besides its JSON Schema and its description. */
export const OWN_METADATA: readonly string[] = [
  'details',
  'see',
  'example',
  'setInReference',
  'secret',
  'secretUrl',
  'misplacedSecret',
  'needsRestart',
  'url',
];

/** Replaces the metadata that editors do not know by what they show. */
function forEditors(declared: KeySchema): KeySchema {
  const example = declared['example'];
  return {
    ...Object.fromEntries(Object.entries(declared).filter(([name]) => !OWN_METADATA.includes(name))),
    ...(declared.description !== undefined && { description: describe(declared) }),
    ...(example !== undefined && { examples: [example] }),
  };
}

function interpolableValue({ description, default: preset, examples, ...value }: KeySchema): KeySchema {
  const kinds = value.anyOf ?? [value];
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    ...(examples !== undefined && { examples }),
    anyOf: [...kinds.map((kind) => withoutSafeMaximum(kind)), { $ref: '#/$defs/interpolation' }],
  };
}

/** Drops the largest safe integer as a maximum: zod adds it to every integer. */
function withoutSafeMaximum(schema: KeySchema): KeySchema {
  const { maximum, ...rest } = schema;
  return maximum === Number.MAX_SAFE_INTEGER ? rest : schema;
}

function nested(schema: KeySchema | boolean): KeySchema | boolean {
  return typeof schema === 'boolean' ? schema : interpolable(schema);
}

function mapValues<T>(record: Record<string, T>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
