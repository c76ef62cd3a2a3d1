/**
 * True for a file under `assets/` whose name has a content hash after a hyphen or a dot, right before the extension. In
 * doubt it returns false: an extra revalidation costs little, but a file wrongly cached as immutable cannot be replaced.
 */
export function isImmutableAsset(path: string): boolean {
  const [, name] = /(?:^|[/\\])assets[/\\](?:.*[/\\])?([^/\\]+)\.\w+$/.exec(path) ?? [];
  const [, hex] = /[-.]([\da-f]{8,})$/.exec(name ?? '') ?? [];
  if (hex !== undefined) return hasBoth(/\d/, /[a-f]/, hex);
  const [, tail] = /[-.]([\w-]{8})$/.exec(name ?? '') ?? [];
  return tail !== undefined && (isBase32(tail) || isBase64url(tail));
}

/** esbuild: `index-3YQ6DPZK.js`. */
function isBase32(text: string): boolean {
  return /^[A-Z2-7]+$/.test(text) && /\d/.test(text);
}

/** Vite and Rollup: `index-BkY0aZ3f.js`. Excludes names that a person would write: `SemiBold`, `Inter300`. */
function isBase64url(text: string): boolean {
  return hasBoth(/[a-z]/, /[A-Z]/, text) && !/^(?:(?:[A-Z]?[a-z]{2,}|[A-Z]+)[-_]?)+\d*$/.test(text);
}

function hasBoth(one: RegExp, other: RegExp, text: string): boolean {
  return one.test(text) && other.test(text);
}
