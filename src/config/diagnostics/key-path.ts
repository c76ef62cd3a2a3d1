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
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${quoteKey(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** Quotes a key; a key with characters other than letters, digits, dots and hyphens is not shown. */
export function quoteKey(key: string): string {
  // SECURITY: a colon without its space turns `clientSecret:hunter2` into a key that holds the secret.
  return /^[\w.-]+$/.test(key) ? `"${key}"` : '"…"';
}
