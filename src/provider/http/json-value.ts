import type { JsonPointer } from '../../config/values/json-pointer.ts';

/** The value at a JSON Pointer inside a document, or undefined (RFC 6901, section 4). */
export function valueAt(document: unknown, pointer: JsonPointer): unknown {
  return pointer.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return /^(?:0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined;
    // Own members only: every object inherits "constructor" and the like.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    return Reflect.get(value, key);
  }, document);
}

/** The text at a JSON Pointer; undefined when it is empty or no text. */
export function textAt(document: unknown, pointer: JsonPointer | undefined): string | undefined {
  const value = pointer && valueAt(document, pointer);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The identifier of a user at a JSON Pointer: a text, or a whole number as text. */
export function subjectAt(document: unknown, pointer: JsonPointer): string | undefined {
  const value = valueAt(document, pointer);
  const text = Number.isSafeInteger(value) ? String(value) : value;
  // The longest subject that OpenID allows (OpenID Connect Core, section 2).
  return typeof text === 'string' && text !== '' && text.length <= 255 ? text : undefined;
}

/** Writes a JSON Pointer (RFC 6901, section 3). */
export function formatJsonPointer(pointer: JsonPointer = []): string {
  return pointer.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Parses JSON; undefined when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
