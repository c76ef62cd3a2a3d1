import { afterAll, afterEach, expect } from 'vitest';
import { canaries } from './canaries.ts';

// Runs before every test file except unit tests: see `setupFiles` in vitest.config.ts.

/** Fails the test during which a secret leaks, or the file if it leaks while everything closes. */
const check = async () => expect(await canaries.leaks(), 'secrets where none may be').toEqual([]);
afterEach(check);
afterAll(async () => {
  try {
    await check();
  } finally {
    canaries.forget();
  }
});
