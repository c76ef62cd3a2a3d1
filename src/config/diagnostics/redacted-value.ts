import type { KeyPath } from './key-path.ts';

/** The values that must not be shown. */
export type Redaction = {
  /** Paths of keys declared with `secret` or `misplacedSecret`; `*` stands for any index. */
  readonly secretPaths: readonly (readonly string[])[];
  /** Texts that may be secrets wherever they occur, such as every result of an interpolation. */
  readonly hidden: ReadonlySet<string>;
};

const longestShown = 80;

/** Describes the value at a path of the configuration without showing a secret. */
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

/** True for a short text that cannot be a secret. */
function mayBeShown(path: KeyPath, text: string, { secretPaths, hidden }: Redaction): boolean {
  // SECURITY: the text before an `@` or after a `?` or `#` of a URL may be a credential.
  return (
    !mayBeSecret(path, secretPaths) && !hidden.has(text) && text.length <= longestShown && !/[@?#]/.test(text)
  );
}

/** True at or inside the path of a secret, and on the way to one, since a secret may be misplaced there. */
export function mayBeSecret(path: KeyPath, secretPaths: Redaction['secretPaths']): boolean {
  return secretPaths.some((secret) =>
    secret.every((key, depth) => depth >= path.length || key === '*' || key === path[depth]),
  );
}
