/** A reproducible random number generator. */
export type SeededRandom = {
  readonly seed: number;
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number;
  /** One of the values. */
  pick<Value>(values: readonly Value[]): Value;
};

/** Creates the generator of a run, seeded by CHAOS_SEED or by the time. */
export function createSeededRandom(): SeededRandom {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);
  let state = seed >>> 0;
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    seed,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (values) => {
      const value = values[Math.floor(next() * values.length)];
      if (value === undefined) throw new Error('there is nothing to pick from');
      return value;
    },
  };
}

/** True for a long run: COATCHECK_LONG=1. */
export const isLong = process.env['COATCHECK_LONG'] === '1';
