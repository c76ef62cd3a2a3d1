import type { SessionStore } from '../sessions/store/store.ts';

/** How old the number may be before a scrape has the keys counted again, in milliseconds. */
const MAX_AGE_MS = 15_000;

/**
 * The number of keys in the store, without waiting for it: each call gives the last known number and starts a count when
 * that is old. Undefined until the first count, and while the store does not respond.
 */
export function createStoreKeys(store: Pick<SessionStore, 'countKeys'>): () => number | undefined {
  let known: number | undefined;
  let countedAtMs = -Infinity;
  let isCounting = false;

  const count = async () => {
    isCounting = true;
    const found = await store.countKeys().catch(() => Number.NaN);
    known = Number.isNaN(found) ? undefined : found;
    countedAtMs = performance.now();
    isCounting = false;
  };
  return () => {
    if (!isCounting && performance.now() - countedAtMs > MAX_AGE_MS) void count();
    return known;
  };
}
