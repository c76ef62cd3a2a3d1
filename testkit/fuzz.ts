import type { Parameters } from 'fast-check';
import { isLong } from './seeded-random.ts';

/**
 * The number of cases of a property, for `fc.assert`: few and always the same in `npm test`; many and new ones each time with
 * COATCHECK_LONG=1.
 *
 * A failure prints its seed and path; FUZZ_SEED and FUZZ_PATH, with `-t` and the title, run that counterexample again.
 */
export function extent<Case>({ short, long }: { short: number; long: number }): Parameters<Case> {
  const { FUZZ_SEED, FUZZ_PATH } = process.env;
  const seed = Number(FUZZ_SEED ?? (isLong ? Date.now() & 0x7fffffff : 20_260_115));
  return { seed, numRuns: isLong ? long : short, ...(FUZZ_PATH !== undefined && { path: FUZZ_PATH }) };
}
