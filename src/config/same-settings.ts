import { KeyObject } from 'node:crypto';
import { isSameKey } from './values/secrets/same-key.ts';

/**
 * True when two settings are the same: the same data, keys, patterns or functions. Node's `isDeepStrictEqual` takes two
 * keys of the same text for different ones.
 */
export function hasSameSettings(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (one instanceof KeyObject) return other instanceof KeyObject && isSameKey(one, other);
  if (one instanceof RegExp) return other instanceof RegExp && String(one) === String(other);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [names, otherNames] = [Object.keys(one), Object.keys(other)];
  return (
    names.length === otherNames.length &&
    names.every(
      (name) =>
        Object.hasOwn(other, name) && hasSameSettings(Reflect.get(one, name), Reflect.get(other, name)),
    )
  );
}
