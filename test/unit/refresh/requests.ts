import { vi } from 'vitest';
import type { Locks } from '../../../src/redis/lock/locks.ts';
import type { Credential } from '../../../src/refresh/credential.ts';
import type { SessionData, SessionRecord } from '../../../src/sessions/session.ts';
import { createAudience } from '../../../src/tokens/audience.ts';

/** The audience of the sign-in, and that of one route. */
export const signIn = createAudience([], []);
export const orders = createAudience(['orders'], []);

/** The ages from which a token of five minutes is expiring, and expired. */
export const EXPIRING_MS = 240_000;
export const EXPIRED_MS = 299_000;

/** The result of a promise, after the timers that it waits for have run. */
export async function run<Result>(promise: Promise<Result>): Promise<Result> {
  const outcome = promise.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );
  await vi.advanceTimersByTimeAsync(5_000);
  return (await outcome)();
}

/** The error code of a rejected request. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  run(promise).then(
    () => undefined,
    (error: unknown) => (error as { code?: unknown }).code,
  );

/** The session as another process would write it, with tokens of its own. */
export function withTokens({ data }: SessionRecord, name: string): SessionData {
  const access = { '': { value: `at-${name}`, obtainedAtMs: Date.now(), expiresAtMs: Date.now() + 300_000 } };
  return { ...data, tokens: { ...data.tokens, access, refreshToken: `rt-${name}` } };
}

/** Locks of which the first expires at once, as in a suspended process. */
export function lapsingOnce(): Locks {
  let taken = 0;
  return {
    async acquire() {
      taken += 1;
      const isFirst = taken === 1;
      return { waitingSinceMs: Date.now(), isHeld: () => !isFirst, release: async () => undefined };
    },
    close: () => undefined,
  };
}

/** The credential that a request of the session was sent with. */
export const sentWith = (record: SessionRecord, accessToken: string): Credential => ({
  session: record,
  audience: signIn,
  accessToken,
});
