/**
 * Tells whether a path below the root is of a file under `assets/` that never changes: one with a hash in its name, behind
 * a hyphen or a dot and right before the extension. In doubt it is not: asking once too often costs little, and a file that
 * is never asked for again cannot be replaced.
 */
export function isImmutableAsset(path: string): boolean {
  const [, name] = /(?:^|[/\\])assets[/\\](?:.*[/\\])?([^/\\]+)\.\w+$/.exec(path) ?? [];
  const [, hex] = /[-.]([\da-f]{8,})$/.exec(name ?? '') ?? [];
  if (hex !== undefined) return hasBoth(/\d/, /[a-f]/, hex);
  const [, tail] = /[-.]([\w-]{8})$/.exec(name ?? '') ?? [];
  return tail !== undefined && (isBase32(tail) || isBase64url(tail));
}

/** Of esbuild: `index-3YQ6DPZK.js`. */
function isBase32(text: string): boolean {
  return /^[A-Z2-7]+$/.test(text) && /\d/.test(text);
}

/** Of Vite and Rollup: `index-BkY0aZ3f.js`; but for those that look like what people write: `SemiBold`, `Inter300`. */
function isBase64url(text: string): boolean {
  return hasBoth(/[a-z]/, /[A-Z]/, text) && !/^(?:(?:[A-Z]?[a-z]{2,}|[A-Z]+)[-_]?)+\d*$/.test(text);
}

function hasBoth(one: RegExp, other: RegExp, text: string): boolean {
  return one.test(text) && other.test(text);
}
