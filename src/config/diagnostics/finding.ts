/** The keys and list indexes that lead from the top of the configuration to a value. */
export type KeyPath = readonly PropertyKey[];

/** Something wrong at one place of the configuration, before it is known in which line that place is. */
export type Finding = { path: KeyPath; message: string };

/** Whether a path leads to the place `place` or into it. */
export function isWithin(path: KeyPath, place: KeyPath): boolean {
  return place.every((key, depth) => key === path[depth]);
}

/** Writes a path as people do: `routes[0].upstream`; a key that is no plain word is quoted. */
export function formatPath(path: KeyPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = String(key);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${quoteKey(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

/** Quotes a key; one that is not made of letters, digits, dots and hyphens is not shown. */
export function quoteKey(key: string): string {
  // SECURITY: a colon without its space turns `clientSecret:hunter2` into a key that holds the secret.
  return /^[\w.-]+$/.test(key) ? `"${key}"` : '"…"';
}
