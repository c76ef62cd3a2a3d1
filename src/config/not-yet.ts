import type { Finding, KeyPath } from './finding.ts';

/** A key, or some values of it, whose feature belongs to a later version. */
type NotYet = {
  /** The place of the key; `*` is any item of a list. */
  at: KeyPath;
  /** Which values need the missing feature. */
  refuses: (value: unknown) => boolean;
  /** The feature, as the subject of a sentence. */
  feature: string;
};

const is =
  (...words: string[]) =>
  (value: unknown) =>
    typeof value === 'string' && words.includes(value);
const written = (value: unknown) => value !== undefined;
const wholeAbove = (limit: number) => (value: unknown) =>
  Number.isInteger(Number(value)) && Number(value) > limit;

// A later version that brings a feature deletes its line here and declares the key in the schema.
const notYet: readonly NotYet[] = [
  { at: ['workers'], refuses: wholeAbove(1), feature: 'more than one worker' },
  { at: ['workers'], refuses: is('auto'), feature: 'one worker for each core' },
  { at: ['provider', 'type'], refuses: is('oauth2'), feature: 'a plain OAuth 2.0 provider' },
  { at: ['provider', 'type'], refuses: is('credentials'), feature: 'a provider with its own login endpoint' },
  { at: ['provider', 'login'], refuses: written, feature: 'login on another device' },
  { at: ['provider', 'clientAuthentication'], refuses: is('private_key_jwt'), feature: 'private_key_jwt' },
  { at: ['provider', 'privateKey'], refuses: written, feature: 'client authentication by a private key' },
  { at: ['session', 'maxPerUser'], refuses: wholeAbove(0), feature: 'a limit on the sessions of one person' },
];

/** What a configuration asks for that only a later version does. */
export function refusedFeatures(input: unknown): Finding[] {
  return notYet.flatMap(({ at, refuses, feature }) =>
    [...placesOf(input, at)]
      .filter(({ value }) => refuses(value))
      .map(({ path }) => ({ path, message: `${feature} is not in this version` })),
  );
}

/** Every place in the input that a pattern of keys leads to, with what stands there. */
function* placesOf(
  value: unknown,
  pattern: KeyPath,
  path: KeyPath = [],
): Iterable<{ path: KeyPath; value: unknown }> {
  const [key, ...rest] = pattern;
  if (key === undefined) yield { path, value };
  else if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      if (key === '*' || key === name) yield* placesOf(child, rest, [...path, name]);
    }
  }
}
