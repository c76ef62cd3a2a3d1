/** The keys and list indexes that lead from the top of the configuration to a value. */
export type KeyPath = readonly PropertyKey[];

/** True when `path` is `parent` or lies inside it. */
export function isWithin(path: KeyPath, parent: KeyPath): boolean {
  return parent.every((key, depth) => key === path[depth]);
}

/** Writes a path as `routes[0].upstream`; a key that is not a plain word is quoted. */
export function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key);
    if (!isName(name) || name.includes('.')) return `${text}[${quoteKey(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** Quotes a key. SECURITY: braces, or a colon without its space, turn a secret into a key; only a plain name is shown. */
export function quoteKey(key: string): string {
  return isName(key) ? `"${key}"` : '"…"';
}

/** True for at most three words of letters, as every declared key is and most headers are; a passphrase is longer. */
function isName(key: string): boolean {
  return key.length <= 40 && /^[A-Za-z]+(?:[-_.][A-Za-z]+){0,2}$/.test(key);
}
