import type { KeyPath } from './finding.ts';

/** Where secrets stand; `*` is any index or key. */
const secretPlaces: readonly KeyPath[] = [
  ['admin', 'token'],
  ['provider', 'clientSecret'],
  ['provider', 'privateKey'],
  ['provider', 'authorizationParams'],
  ['provider', 'login', 'body'],
  ['provider', 'refresh', 'body'],
  ['session', 'secrets'],
  ['session', 'store'],
  ['routes', '*', 'requestHeaders', 'set'],
  ['routes', '*', 'responseHeaders', 'set'],
];

const longestShown = 80;

/**
 * Says what was found at a place of the configuration, without showing a secret.
 *
 * @param hidden - texts that may be secrets wherever they stand, such as all that came out of interpolation.
 */
export function describeRedacted(path: KeyPath, value: unknown, hidden: ReadonlySet<string>): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') {
    return mayBeShown(path, value, hidden) ? JSON.stringify(value) : `a string of ${value.length} characters`;
  }
  if (typeof value === 'number' || typeof value === 'boolean') {
    // A secret made of digits alone is a number where its quotes are missing.
    return mayBeShown(path, `${value}`, hidden) ? `${value}` : `a ${typeof value}`;
  }
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}

/** Whether a text is certain not to be a secret, and short enough to be worth a look. */
function mayBeShown(path: KeyPath, text: string, hidden: ReadonlySet<string>): boolean {
  // SECURITY: what stands before an `@` or after a `?` or `#` of a URL may be a credential.
  return !mayBeSecret(path) && !hidden.has(text) && text.length <= longestShown && !/[@?#]/.test(text);
}

/** Whether a secret may stand at the path: on the way to a place of secrets, too, as a misplaced one would. */
function mayBeSecret(path: KeyPath): boolean {
  return secretPlaces.some((place) =>
    place.every((key, depth) => depth >= path.length || key === '*' || key === path[depth]),
  );
}
