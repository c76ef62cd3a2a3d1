import type { JsonPointer } from '../config/values/json-pointer.ts';

/** The value that a JSON Pointer leads to inside a document, or undefined when there is none (RFC 6901, section 4). */
export function valueAt(document: unknown, pointer: JsonPointer): unknown {
  return pointer.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return /^(?:0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined;
    // Own members only: "constructor" and its like are in every object.
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    return Reflect.get(value, key);
  }, document);
}

/** The text at a place of a document; undefined for an empty one, and for anything else. */
export function textAt(document: unknown, pointer: JsonPointer | undefined): string | undefined {
  const value = pointer && valueAt(document, pointer);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The identifier of a person at a place of a document: a text, or a whole number as vendors count them. */
export function subjectAt(document: unknown, pointer: JsonPointer): string | undefined {
  const value = valueAt(document, pointer);
  const text = Number.isSafeInteger(value) ? String(value) : value;
  // As long as a subject of OpenID may be (OpenID Connect Core, section 2).
  return typeof text === 'string' && text !== '' && text.length <= 255 ? text : undefined;
}

/** Reads a JSON document; undefined for what is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
