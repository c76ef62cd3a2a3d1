import { jittered } from '../../concurrency/backoff.ts';
import { createTaskTracker } from '../../concurrency/task-tracker.ts';
import type { Logger } from '../../observability/log.ts';
import type { Provider, RevocationOutcome } from '../../provider/provider.ts';
import { createLocalOutbox, MAX_AGE_MS, type PendingRevocation, type RevocationOutbox } from './outbox.ts';

/** Takes refresh tokens out of use at the provider when their session has ended. */
export type Revocations = {
  /** Revokes a token, again and again until that is through; settles with the first attempt, and never rejects. */
  revoke(refreshToken: string): Promise<void>;
  /** Settles when no attempt is under way. What only this process knows of is tried once more. */
  settle(): Promise<void>;
};

/** How often the outbox is looked into, in milliseconds. */
const LOOK_EVERY_MS = 2_000;
/** How many revocations a process has under way at most that had failed before. */
const MOST_AT_ONCE = 16;

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;

/**
 * Revocations (RFC 7009) by the provider. Each is kept before it is tried, in `durable` where there is one, so that it
 * outlives this process; a failed one is tried again after pauses that double, by whichever process comes first.
 */
export function createRevocations(deps: {
  provider: Provider;
  /** Outlives this process. Without one, and while it is away, tokens are kept in the process. */
  durable: RevocationOutbox | undefined;
  leaseMs: number;
  clock: () => number;
  log: Logger;
}): Revocations {
  const { provider, durable, clock, log } = deps;
  const own = createLocalOutbox(deps);
  const outboxes = durable === undefined ? [own] : [own, durable];
  const { track, settle: settleTasks } = createTaskTracker();
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const keep = async (refreshToken: string): Promise<PendingRevocation> => {
    const kept = await durable?.keep(refreshToken).catch(() => undefined);
    return kept ?? own.keep(refreshToken);
  };

  /** Tries once; gives false when it has to be tried again. An outbox that is away gives it out again after its lease. */
  const attempt = async (pending: PendingRevocation): Promise<boolean> => {
    const outcome = await provider.revoke(pending.refreshToken);
    const againAtMs = settleOutcome(outcome, pending);
    await (againAtMs === undefined ? pending.forget() : pending.putBack(againAtMs)).catch(() => undefined);
    return outcome.kind !== 'failed';
  };

  /** Gives the time from which to try again, if there is a point in that. */
  const settleOutcome = (outcome: RevocationOutcome, { sinceMs }: PendingRevocation): number | undefined => {
    const ageMs = clock() - sinceMs;
    switch (outcome.kind) {
      case 'revoked':
        return undefined;
      case 'refused':
        log.error({ err: outcome.cause }, 'the provider refuses to revoke a refresh token; giving up');
        return undefined;
      case 'failed': {
        if (ageMs >= MAX_AGE_MS) {
          log.error({ err: outcome.cause }, 'cannot revoke a refresh token; giving up');
          return undefined;
        }
        const retryInMs = Math.max(pauseAfter(ageMs), (outcome.retryAfterSeconds ?? 0) * 1000);
        log.warn({ err: outcome.cause, retryInMs }, 'cannot revoke a refresh token; retrying later');
        return clock() + retryInMs;
      }
    }
  };

  /** Tries one that had failed, then two, four … as long as they go through: a provider that is away is asked little. */
  const look = async () => {
    for (let count = 1; !closed; count = Math.min(MOST_AT_ONCE, count * 2)) {
      const taken = await Promise.all(outboxes.map((outbox) => outbox.take(count).catch(() => [])));
      const results = await Promise.all(taken.flat().map(attempt));
      if (results.length < count || results.includes(false)) return;
    }
  };
  const lookLater = () => {
    if (closed) return;
    timer = setTimeout(() => void track(look()).then(lookLater), jittered(LOOK_EVERY_MS, 0.75, 1.25));
    timer.unref();
  };
  lookLater();

  return {
    async revoke(refreshToken) {
      await track(keep(refreshToken).then(attempt));
    },
    async settle() {
      closed = true;
      clearTimeout(timer);
      await settleTasks();
      const results = await Promise.all(own.takeAll().map(attempt));
      const lost = results.filter((isThrough) => !isThrough).length;
      if (lost > 0) log.error({ lost }, 'exiting before all refresh tokens are revoked');
    },
  };
}

/** As long as it has been tried so far: the pauses double. */
function pauseAfter(ageMs: number): number {
  return Math.round(jittered(Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, ageMs))));
}
