/** A map with a maximum number or total size of entries; the oldest are dropped first. An entry is as old as its last `set`. */
export type BoundedMap<Key, Value> = {
  /** Undefined also for an entry that has expired. */
  get(key: Key): Value | undefined;
  has(key: Key): boolean;
  /**
   * Sets an entry, as the newest, and drops the oldest while there are too many, they are too large or they have expired. An
   * entry that is too large alone is not kept.
   */
  set(key: Key, value: Value): void;
  delete(key: Key): void;
  clear(): void;
  /** From the oldest to the newest, expired entries included. */
  keys(): MapIterator<Key>;
};

/**
 * Without `isExpired` an entry stays until it is dropped. With it an expired entry is never returned, and is removed once
 * no older entry is left. `sizeOf` gives an entry the same size as long as it is in the map.
 */
export function createBoundedMap<Key, Value>(options: {
  maxEntries: number;
  isExpired?: (value: Value) => boolean;
  maxSize?: number;
  sizeOf?: (value: Value, key: Key) => number;
}): BoundedMap<Key, Value> {
  const { maxEntries, isExpired = () => false, maxSize = Infinity, sizeOf = () => 0 } = options;
  const entries = new Map<Key, Value>();
  let size = 0;

  const get = (key: Key) => {
    const value = entries.get(key);
    return value === undefined || isExpired(value) ? undefined : value;
  };
  const remove = (key: Key) => {
    const value = entries.get(key);
    if (value !== undefined) size -= sizeOf(value, key);
    entries.delete(key);
  };
  return {
    get,
    has: (key) => get(key) !== undefined,
    set(key, value) {
      remove(key);
      const added = sizeOf(value, key);
      if (added > maxSize) return;
      entries.set(key, value);
      size += added;
      for (const [oldest, itsValue] of entries) {
        if (entries.size <= maxEntries && size <= maxSize && !isExpired(itsValue)) return;
        remove(oldest);
      }
    },
    delete: remove,
    clear() {
      entries.clear();
      size = 0;
    },
    keys: () => entries.keys(),
  };
}
