/** A clock that only the test advances. */
export type TestClock = {
  /** Milliseconds since the epoch; pass it as a clock. */
  readonly now: () => number;
  advance(ms: number): void;
};

/** Creates a clock that shows a moment in 2026. */
export function createTestClock(): TestClock {
  let nowMs = Date.UTC(2026, 0, 15, 12);
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}
