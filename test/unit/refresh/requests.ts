import { vi } from 'vitest';
import type { Locks } from '../../../src/redis/lock.ts';
import type { Credential } from '../../../src/refresh/credential.ts';
import type { Session, SessionRecord } from '../../../src/sessions/session.ts';
import { createAudience } from '../../../src/tokens/audience.ts';

/** What the sign-in itself is for, and what one route asks for besides. */
export const signIn = createAudience([], []);
export const orders = createAudience(['orders'], []);

/** The ages at which a token of five minutes is fresh, near its end, and over. */
export const NEAR_MS = 240_000;
export const OVER_MS = 299_000;

/** What a promise gives or throws, with all timers run that it waits for. */
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

/** The code that a request is refused with. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  run(promise).then(
    () => undefined,
    (error: unknown) => (error as { code?: unknown }).code,
  );

/** The session as another process would write it, with tokens of its own. */
export function withTokens({ session }: SessionRecord, name: string): Session {
  const access = { '': { value: `at-${name}`, obtainedAtMs: Date.now(), expiresAtMs: Date.now() + 300_000 } };
  return { ...session, tokens: { ...session.tokens, access, refreshToken: `rt-${name}` } };
}

/** Locks of which the first lapses at once, as in a process that is stopped. */
export function lapsingOnce(): Locks {
  let taken = 0;
  return {
    async acquire() {
      taken += 1;
      const isFirst = taken === 1;
      return { isHeld: () => !isFirst, release: async () => undefined };
    },
    close: () => undefined,
  };
}

/** What the request of a session was sent with. */
export const sentWith = (stored: SessionRecord, accessToken: string): Credential => ({
  stored,
  audience: signIn,
  accessToken,
});
