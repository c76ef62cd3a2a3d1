import { stringify } from 'yaml';
import { itemOf, keySchema, typeOf, type KeySchema } from './schema/declaration/declared-keys.ts';
import type { ConfigSchema } from './schema/schema.ts';

const MASK = '***';

/**
 * A valid configuration as YAML: what people wrote, with every default filled in, in the order of the declaration. Masks
 * the values of keys that are declared secret, and in URLs the passwords and the values of the query.
 *
 * @param input - the data of the file, interpolated, before it was parsed.
 */
export function effectiveYaml({ schema }: ConfigSchema, input: unknown): string {
  return stringify(effective(keySchema(schema), input), { lineWidth: 0 });
}

function effective(schema: KeySchema, written: unknown): unknown {
  const value = written ?? schema.default;
  if (schema['secretUrl'] === true) return typeof value === 'string' ? maskUrl(value) : value;
  if (schema['secret'] === true) return mask(value);
  if (schema.oneOf !== undefined) return effective(kindOf(schema.oneOf, value), value);
  if (schema.properties !== undefined && isMapping(value)) {
    const entries = Object.entries(schema.properties).map(
      ([key, child]) =>
        [key, typeof child === 'boolean' ? value[key] : effective(child, value[key])] as const,
    );
    return Object.fromEntries(entries.filter(([, child]) => child !== undefined));
  }
  const item = itemOf(schema);
  if (item !== undefined && Array.isArray(value)) return value.map((each) => effective(item, each));
  return maskUrls(scalarOf(schema, value));
}

/** The boolean or number of a key that an environment variable supplied as text. */
function scalarOf({ type, anyOf = [] }: KeySchema, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const types = [type, ...anyOf.map((each) => each.type)];
  if (types.includes('boolean') && /^(true|false)$/.test(value)) return value === 'true';
  const isNumber = types.includes('integer') || types.includes('number');
  return isNumber && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

function kindOf(kinds: readonly KeySchema[], value: unknown): KeySchema {
  const type = isMapping(value) ? value['type'] : undefined;
  return kinds.find((kind) => typeOf(kind) === type) ?? {};
}

/** Masks every text and number, and keeps the names around them. */
function mask(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mask);
  if (isMapping(value)) return mapValues(value, mask);
  return value === undefined || value === null ? value : MASK;
}

function maskUrls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskUrls);
  if (isMapping(value)) return mapValues(value, maskUrls);
  return typeof value === 'string' ? maskQuery(maskPassword(value)) : value;
}

/** SECURITY: whatever follows the last `@` is the host; a password may contain an `@` that should have been encoded. */
function maskPassword(text: string): string {
  return text.replace(/^([a-z][a-z\d+.-]*:\/\/)(.*)@/is, (_whole, scheme: string, userinfo: string) => {
    const [user, ...password] = userinfo.split(':');
    return `${scheme}${password.length === 0 ? '' : `${user}:`}${MASK}@`;
  });
}

/** SECURITY: vendors give out API keys as query parameters. Placeholders, such as `{returnTo}`, stay. */
function maskQuery(text: string): string {
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return text;
  return text.replace(/\?[^#]*/s, (query) => query.replace(/=(?!\{)[^&]*/g, `=${MASK}`));
}

/** A URL that is declared secret: its whole query is masked. */
function maskUrl(text: string): string {
  return maskPassword(text).replace(/[?#].*$/s, `?${MASK}`);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mapValues(
  value: Readonly<Record<string, unknown>>,
  change: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, change(child)]));
}
