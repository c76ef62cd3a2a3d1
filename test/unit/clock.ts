/** A clock that stands still until a test moves it. */
export type TestClock = {
  /** Milliseconds since the epoch; give it where a clock is asked for. */
  readonly now: () => number;
  advance(ms: number): void;
};

/** Makes a clock that shows one moment of 2026. */
export function createTestClock(): TestClock {
  let nowMs = Date.UTC(2026, 0, 15, 12);
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms;
    },
  };
}
