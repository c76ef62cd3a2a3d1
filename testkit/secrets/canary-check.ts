import { afterAll, afterEach, expect } from 'vitest';
import { canaries } from './canaries.ts';

// Runs before every test file but those of units: see `setupFiles` in vitest.config.ts.

/** Fails the test during which a secret was seen where none may be, and the file if that was when everything was closed. */
const check = async () => expect(await canaries.leaks(), 'secrets where none may be').toEqual([]);
afterEach(check);
afterAll(check);
