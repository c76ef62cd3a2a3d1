import { expect } from 'vitest';

/** Waits until a number has begun to grow and has stopped again. */
export async function standsStill(read: () => number): Promise<void> {
  let before = -1;
  let times = 0;
  await expect
    .poll(
      () => {
        times = read() > 0 && read() === before ? times + 1 : 0;
        before = read();
        return times;
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThan(3);
}
