import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats `ask` until it returns a value, and returns that value; an error counts as none.
 *
 * @throws Error, with the last failure as its cause, when there is none after twenty seconds.
 */
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = Date.now() + 20_000;
  let cause: unknown;
  while (Date.now() < deadlineMs) {
    try {
      const result = await ask();
      if (result !== undefined) return result;
    } catch (error) {
      cause = error;
    }
    await sleep(25);
  }
  throw new Error(`waited in vain until ${what}`, { cause });
}
