import { z } from 'zod';

const MIN_LENGTH = 32;
/**
 * The least estimated entropy of a secret, in bits. 32 random digits have more than 70 by the estimate, decimal or
 * hexadecimal.
 */
const MIN_BITS = 64;
/** The length of the part that is checked: enough for {@link MIN_BITS}. */
const MAX_EXAMINED = 256;

/** A secret from which keys are derived: long, and not guessable. */
export function secretText() {
  const expected = `expected a secret of at least ${MIN_LENGTH} characters`;
  return z
    .string(expected)
    .min(MIN_LENGTH, expected)
    .refine(
      (text) => text.length < MIN_LENGTH || !isGuessable(text),
      'expected a random secret; this one is too regular. Generate one with: openssl rand -base64 32',
    );
}

/** True for a text that is too regular to be a secret. */
export function isGuessable(text: string): boolean {
  return estimatedBits(text.slice(0, MAX_EXAMINED)) < MIN_BITS;
}

/** The shortest part that counts as repeated, and the bits that a repetition counts for. */
const MIN_REPEATED = 3;
const REPETITION_BITS = 8;

/**
 * Estimates the entropy of a text, in bits. Each character counts for the entropy of the characters, or of the steps between
 * them if that is less; a part that occurred before counts for little. This detects careless secrets (one letter 32 times, a
 * repeated word, a part of the alphabet), not a text that somebody else knows.
 */
function estimatedBits(text: string): number {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const steps = codes.slice(1).map((code, at) => code - (codes[at] ?? 0));
  const bitsEach = Math.min(shannonBits(codes), shannonBits(steps));
  let bits = 0;
  for (let at = 0; at < text.length;) {
    const repeated = repeatedLength(text, at);
    bits += repeated < MIN_REPEATED ? bitsEach : REPETITION_BITS;
    at += repeated < MIN_REPEATED ? 1 : repeated;
  }
  return bits;
}

/** The length of the longest part from `at` on that also begins earlier in the text. */
function repeatedLength(text: string, at: number): number {
  if (at === 0) return 0;
  let length = 0;
  while (at + length < text.length && text.lastIndexOf(text.slice(at, at + length + 1), at - 1) !== -1)
    length += 1;
  return length;
}

/** The Shannon entropy of one value, in bits. */
function shannonBits(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.values()].reduce((bits, count) => {
    const share = count / values.length;
    return bits - share * Math.log2(share);
  }, 0);
}
