/** A map of at most so many entries; the oldest are dropped first. An entry is as old as its last `set`. */
export type BoundedMap<Key, Value> = {
  /** Undefined also for an entry that has expired. */
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  /** Sets an entry, as the newest, and drops the oldest while there are too many or they have expired. */
  set(key: Key, value: Value): void;
  delete(key: Key): void;
  clear(): void;
  /** From the oldest to the newest, expired entries included. */
  keys(): MapIterator<Key>;
};

/**
 * Without `isExpired` an entry stays until it is dropped. With it an expired entry is never returned, and is removed once
 * no older entry is left.
 */
export function createBoundedMap<Key, Value>(options: {
  maxEntries: number;
  isExpired?: (value: Value) => boolean;
}): BoundedMap<Key, Value> {
  const { maxEntries, isExpired = () => false } = options;
  const entries = new Map<Key, Value>();

  const get = (key: Key) => {
    const value = entries.get(key);
    return value === undefined || isExpired(value) ? undefined : value;
  };
  return {
    get,
    has: (key) => get(key) !== undefined,
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      for (const [oldest, itsValue] of entries) {
        if (entries.size <= maxEntries && !isExpired(itsValue)) return;
        entries.delete(oldest);
      }
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    keys: () => entries.keys(),
  };
}
