const SECONDS = 60;

/** Sums what was added in the last minute, to the second. */
export type LastMinute = { add(amount: number): void; sum(): number };

/** `nowMs` is a clock that never goes back. */
export function createLastMinute(nowMs: () => number = () => performance.now()): LastMinute {
  const amounts = Array.from({ length: SECONDS }, () => 0);
  const seconds = Array.from({ length: SECONDS }, () => -1);
  return {
    add(amount) {
      const second = Math.floor(nowMs() / 1000);
      const at = second % SECONDS;
      amounts[at] = (seconds[at] === second ? (amounts[at] ?? 0) : 0) + amount;
      seconds[at] = second;
    },
    sum() {
      const oldest = Math.floor(nowMs() / 1000) - SECONDS;
      return amounts.reduce((sum, amount, at) => sum + ((seconds[at] ?? -1) > oldest ? amount : 0), 0);
    },
  };
}
