import { z } from 'zod';
import { estimatedBits } from './entropy.ts';

const MIN_LENGTH = 32;
/**
 * The least estimated entropy of a secret, in bits. 32 random digits have more than 70 by the estimate, decimal or
 * hexadecimal, and five common words have 50: the check is for careless secrets, and leaves it to the operator whether a phrase
 * is strong enough.
 */
const MIN_BITS = 48;
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
