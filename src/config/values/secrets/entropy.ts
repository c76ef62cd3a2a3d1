/** The fewest characters that count as one repetition, and the bits that a repetition counts for. */
const MIN_REPEATED = 3;
const REPETITION_BITS = 8;
/** The bits of a word: more than 1,000 words are common. A longer text without spaces counts by its letters. */
const WORD_BITS = 10;
const WORD_BITS_PER_LETTER = 1.25;
/** The bits of a word of two letters, and of a character that separates words. */
const SHORT_WORD_BITS = 5;
const SEPARATOR_BITS = 1;

/** What stands in secrets that nobody generated, and the bits of each. */
const PLACEHOLDER_BITS = 2;
const placeholders: ReadonlySet<string> = new Set(
  (
    'secret secrets session sessions password passphrase pass key token change changeme replace insert your some random ' +
    'value text test tests testing example sample demo dummy default dev development local prod production staging ' +
    'insecure unsafe only use not for the with this that and please must should least long length chars character ' +
    'characters bytes very super cookie gateway auth coatcheck admin openssl rand base hex'
  ).split(' '),
);

/**
 * The most frequent pairs of letters in English, which are frequent in other European languages, too: three quarters of the
 * pairs in a text, and one in six of those in random letters.
 */
const commonPairs: ReadonlySet<string> = new Set(
  (
    'th he in er an re nd on en at ou ed ha to or it is hi es ng st ar te se as of le ve al ti ' +
    'me ne de ro li ri ea io co ll ce ma om la ra el us ic ta ur ch ho wa ss be il no ec ot di ' +
    'ac et ns pe ca tr wi ge so we mo un ie ni lo ee ir ol em ly nt ut si po su wo id tu pa am ' +
    'ke ck cr sh gh rd mi do fo ow da pr ad op rs ep ay'
  ).split(' '),
);

/** What people type instead of a random text: the alphabet is detected by its steps. */
const keyboardRows = [
  '1234567890',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiop',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'wxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  '!@#$%^&*()',
];
const knownText = keyboardRows.flatMap((row) => [row, Array.from(row).reverse().join('')]).join('\n');

/**
 * Estimates the entropy of a text, in bits, with somebody in mind who guesses careless secrets: one letter 32 times, a repeated
 * word, a part of the alphabet, rows of the keyboard, or a phrase of few words. A word counts for little, and so does a part that
 * occurred before. Any other character counts for the entropy of the characters, or of the steps between them if that is
 * less. A text that is public is not detected.
 */
export function estimatedBits(text: string): number {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const steps = codes.slice(1).map((code, at) => code - (codes[at] ?? 0));
  const bitsEach = Math.min(shannonBits(codes), shannonBits(steps));
  const lowerCase = text.toLowerCase();
  let bits = 0;
  for (let at = 0; at < text.length;) {
    const part = repetitionAt(lowerCase, at) ?? wordAt(text, at) ?? { length: 1, bits: bitsEach };
    bits += Math.min(part.bits, part.length * bitsEach);
    at += part.length;
  }
  return bits;
}

type Part = { readonly length: number; readonly bits: number };

/** The longest part from `at` on that also begins earlier in the text, or that is typed along a row of the keyboard. */
function repetitionAt(text: string, at: number): Part | undefined {
  const isRepeated = (part: string) => text.lastIndexOf(part, at - 1) !== -1 && at > 0;
  let length = 0;
  while (at + length < text.length) {
    const part = text.slice(at, at + length + 1);
    if (!isRepeated(part) && !knownText.includes(part)) break;
    length += 1;
  }
  return length < MIN_REPEATED ? undefined : { length, bits: REPETITION_BITS };
}

/** A word, also within camelCase, or a character between words. */
function wordAt(text: string, at: number): Part | undefined {
  const pattern = /[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])|(?<![a-zA-Z\d])[a-zA-Z](?![a-zA-Z\d])|[ _.,:/-]/y;
  pattern.lastIndex = at;
  const [found] = pattern.exec(text) ?? [];
  if (found === undefined) return undefined;
  const word = found.toLowerCase();
  const { length } = word;
  if (placeholders.has(word)) return { length, bits: PLACEHOLDER_BITS };
  if (length === 1) return { length, bits: SEPARATOR_BITS };
  if (length === 2) return { length, bits: SHORT_WORD_BITS };
  return isLikeAWord(word) ? { length, bits: Math.max(WORD_BITS, length * WORD_BITS_PER_LETTER) } : undefined;
}

/** Short words are taken for words in any case; in longer ones, at least half of the pairs are common. */
function isLikeAWord(word: string): boolean {
  if (word.length <= 4) return true;
  const pairs = Array.from({ length: word.length - 1 }, (_, at) => word.slice(at, at + 2));
  const share = pairs.filter((pair) => commonPairs.has(pair)).length / pairs.length;
  return share >= (word.length < 12 ? 0.5 : 0.6);
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
