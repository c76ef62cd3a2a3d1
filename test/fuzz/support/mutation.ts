import fc from 'fast-check';

/** One of the words of a text. */
export const wordOf = (text: string) => fc.constantFrom(...text.split(' '));

/** A change to a text. */
type Change = (text: string) => string;

/** Texts that some parsers fail on. */
export const gadgets = [
  '',
  '\0',
  '\r\n',
  '\n',
  '\t',
  ' ',
  '%',
  '%00',
  '%2e%2e',
  '%252e%252e%252f',
  '%c0%af',
  '../',
  '\\',
  '//',
  ';',
  ',',
  '"',
  "'",
  '=',
  '&',
  '__proto__',
  'constructor',
  'null',
  'undefined',
  'true',
  '-1',
  '1e999',
  '9'.repeat(40),
  'a'.repeat(5_000),
  '[]',
  '{}',
  '{"a":',
  '${',
  '<script>',
  '\u00e9',
  '\ufeff',
  '\ud83d\ude00',
] as const;

const gadget = fc.constantFrom(...gadgets);
const place = fc.double({ min: 0, max: 1, noNaN: true });
const at = (text: string, share: number) => Math.floor(share * text.length);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, gadget).map(
    ([where, what]): Change =>
      (text) =>
        splice(text, at(text, where), 0, what),
  ),
  fc.tuple(place, gadget).map(
    ([where, what]): Change =>
      (text) =>
        splice(text, at(text, where), what.length, what),
  ),
  fc.tuple(place, fc.nat(7)).map(([where, bit]): Change => (text) => {
    const index = at(text, where);
    return splice(text, index, 1, String.fromCharCode(text.charCodeAt(index) ^ (1 << bit) || 0));
  }),
  fc.tuple(place, fc.nat(40)).map(
    ([where, length]): Change =>
      (text) =>
        splice(text, at(text, where), length, ''),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 60 })).map(([where, length]): Change => (text) => {
    const index = at(text, where);
    return splice(text, index, 0, text.slice(index, index + length));
  }),
  place.map(
    (where): Change =>
      (text) =>
        text.slice(0, at(text, where)),
  ),
  fc.constant<Change>((text) => text.toUpperCase()),
  fc.constant<Change>((text) => text + text),
);

function splice(text: string, index: number, length: number, put: string): string {
  return text.slice(0, index) + put + text.slice(index + length);
}

/** A text with one to three changes: parts inserted, removed, repeated or cut off, or a bit flipped. */
export function mutated(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(texts, fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([text, changes]) => changes.reduce((seen, apply) => apply(seen), text));
}
