import type { KeyPath } from './key-path.ts';

/** The values that must not be shown. */
export type Redaction = {
  /** Paths of keys declared with `secret` or `misplacedSecret`; `*` stands for any index. */
  readonly secretPaths: readonly (readonly string[])[];
  /** Texts that may be secrets wherever they occur, such as every result of an interpolation. */
  readonly hidden: ReadonlySet<string>;
  /** The values of the enums in the schema. */
  readonly enumValues: ReadonlySet<string>;
};

/** Describes the value at a path of the configuration without showing a secret, not even a misplaced one. */
export function describeRedacted(path: KeyPath, value: unknown, redaction: Redaction): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') {
    return mayBeShown(path, value, redaction)
      ? JSON.stringify(value)
      : `a string of ${value.length} characters`;
  }
  if (typeof value === 'number' || typeof value === 'boolean') {
    // A secret of digits alone becomes a number when its quotes are missing.
    return mayBeShown(path, `${value}`, redaction) ? `${value}` : `a ${typeof value}`;
  }
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/** A small number, a duration, a size or a share. */
const QUANTITY = /^-?\d{1,5}(?:\.\d{1,2})?(?:ms|[smhd]|[kmg]?b|%)?$/i;

/** True for a text that no one uses as a secret, at a path where no secret belongs. */
function mayBeShown(path: KeyPath, text: string, { secretPaths, hidden, enumValues }: Redaction): boolean {
  // SECURITY: a secret can be written at any key by mistake, so that only the form of the text tells.
  const isHarmless = enumValues.has(text) || /^(?:true|false)$/.test(text) || QUANTITY.test(text);
  return isHarmless && !mayBeSecret(path, secretPaths) && !hidden.has(text);
}

/** True at or inside the path of a secret, and on the way to one, since a secret may be misplaced there. */
export function mayBeSecret(path: KeyPath, secretPaths: Redaction['secretPaths']): boolean {
  return secretPaths.some((secret) =>
    secret.every((key, depth) => depth >= path.length || key === '*' || key === path[depth]),
  );
}
