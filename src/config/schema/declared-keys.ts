import { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** A key that the configuration declares, with the metadata of its declaration. */
export type DeclaredKey = {
  /** `*` stands for any index of a list. */
  readonly path: readonly string[];
  /** The provider type that has this key; undefined outside of `provider`. */
  readonly providerType: string | undefined;
  /** The JSON Schema of what people write; holds the metadata as well (`description`, `default`, `secret` …). */
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
  /** Whether the key is a mapping with keys of its own, or a list of such mappings. */
  readonly isSection: boolean;
};

/** Every key of the configuration in the order of declaration, sections included. */
export function declaredKeys(schema: z.ZodType): DeclaredKey[] {
  return keysOf(z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }), [], undefined);
}

function keysOf(
  schema: JsonSchema,
  parent: readonly string[],
  providerType: string | undefined,
): DeclaredKey[] {
  const kinds = schema.oneOf ?? [];
  if (kinds.length > 0) return kinds.flatMap((kind) => keysOf(kind, parent, typeOf(kind)));
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    if (typeof child === 'boolean') return [];
    const path = [...parent, key];
    const isRequired = schema.required?.includes(key) === true;
    const { items } = child;
    const isList = typeof items === 'object' && !Array.isArray(items);
    const inside = isList ? keysOf(items, [...path, '*'], providerType) : keysOf(child, path, providerType);
    return [{ path, providerType, schema: child, isRequired, isSection: inside.length > 0 }, ...inside];
  });
}

/** The literal that the `type` of a provider kind must have. */
function typeOf({ properties }: JsonSchema): string {
  const { type } = properties ?? {};
  return String(typeof type === 'object' ? type.const : undefined);
}
