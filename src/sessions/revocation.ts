import type { Logger } from '../log.ts';
import type { Provider } from '../provider/provider.ts';

/** Takes refresh tokens out of use at the provider when their session has ended. */
export type Revocations = {
  /** Revokes a token and keeps trying when that fails; settles with the first attempt, and never rejects. */
  revoke(refreshToken: string): Promise<void>;
  /** Settles when no revocation is under way; those waiting for another attempt make it now. */
  settle(): Promise<void>;
};

/** Pauses before the further attempts, in milliseconds. */
const PAUSES_MS = [1_000, 5_000, 30_000, 120_000];

/** Revocations (RFC 7009) by the provider. A failed one is kept in this process and tried again (section 2.2.1). */
export function createRevocations(deps: { provider: Provider; log: Logger }): Revocations {
  const { provider, log } = deps;
  const running = new Set<Promise<void>>();
  const waiting = new Map<NodeJS.Timeout, () => void>();

  const attempt = (refreshToken: string, failures: number): Promise<void> => {
    const run = provider
      .revoke(refreshToken)
      .catch((error: unknown) => {
        const pause = PAUSES_MS[failures];
        if (pause === undefined) {
          log.error({ err: error }, 'a refresh token could not be revoked and was given up');
          return;
        }
        log.warn({ err: error, retryInMs: pause }, 'a refresh token could not be revoked yet');
        const again = () => {
          waiting.delete(timer);
          void attempt(refreshToken, failures + 1);
        };
        const timer = setTimeout(again, pause);
        waiting.set(timer, again);
      })
      .finally(() => running.delete(run));
    running.add(run);
    return run;
  };

  return {
    revoke: (refreshToken) => attempt(refreshToken, 0),
    async settle() {
      for (const [timer, again] of waiting) {
        clearTimeout(timer);
        again();
      }
      await Promise.all(running);
      for (const timer of waiting.keys()) clearTimeout(timer);
      waiting.clear();
    },
  };
}
