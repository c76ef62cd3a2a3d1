import { jittered } from '../../concurrency/backoff.ts';
import { createTaskTracker } from '../../concurrency/task-tracker.ts';
import type { Logger } from '../../observability/log.ts';
import type { Provider, RevocationOutcome } from '../../provider/provider.ts';
import {
  createLocalOutbox,
  MAX_AGE_MS,
  type PendingRevocation,
  type RevocationOutbox,
  type RevocationRequest,
} from './outbox.ts';

/** Revokes refresh tokens at the provider. */
export type Revocations = {
  /** Revokes a token, and retries in the background. Settles after the first attempt; never rejects. */
  revoke(request: RevocationRequest): Promise<void>;
  /** Stops, and waits for the attempts in progress. Tries the tokens that are only in memory once more. */
  settle(): Promise<void>;
};

/** The average time between two polls of the outboxes, in milliseconds. */
const POLL_INTERVAL_MS = 2_000;
/** The maximum number of concurrent retries in a process. */
const MAX_CONCURRENT_RETRIES = 16;

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;
/** How long a token of another issuer is left to processes whose provider that is, in milliseconds. */
const OTHER_ISSUER_PAUSE_MS = 600_000;

/**
 * Token revocation (RFC 7009). A token enters an outbox before the first attempt, the `durable` one if possible, so that
 * the revocation outlives this process. Any process retries a failed revocation, after pauses that double.
 */
export function createRevocations(deps: {
  provider: Pick<Provider, 'issuer' | 'revoke'>;
  /** Outlives this process. Without one, or while it is unavailable, tokens stay in memory. */
  durable: RevocationOutbox | undefined;
  leaseMs: number;
  clock: () => number;
  log: Logger;
}): Revocations {
  const { provider, durable, clock, log } = deps;
  const local = createLocalOutbox(deps);
  const outboxes = durable === undefined ? [local] : [local, durable];
  const { track, settle: settleTasks } = createTaskTracker();
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  const enqueue = async (request: RevocationRequest): Promise<PendingRevocation> => {
    const queued = await durable?.add(request).catch(() => undefined);
    return queued ?? local.add(request);
  };

  /** Tries once; gives false if a retry is needed. If the outbox is unavailable, the token is due again after its lease. */
  const attempt = async (pending: PendingRevocation): Promise<boolean> => {
    // SECURITY: a refresh token is for its issuer alone.
    const isOfProvider = pending.issuer === undefined || pending.issuer === provider.issuer;
    if (!isOfProvider) return leaveToOthers(pending);
    const outcome = await provider.revoke(pending.refreshToken);
    const retryAtMs = retryTimeAfter(outcome, pending);
    await (retryAtMs === undefined ? pending.remove() : pending.reschedule(retryAtMs)).catch(() => undefined);
    return outcome.kind !== 'failed';
  };

  /** Another process may have the issuer of a token as its provider, or this one after the next reload. */
  const leaveToOthers = async (pending: PendingRevocation): Promise<false> => {
    const { issuer, addedAtMs } = pending;
    const ageMs = clock() - addedAtMs;
    const isOver = ageMs >= MAX_AGE_MS;
    if (isOver || ageMs < OTHER_ISSUER_PAUSE_MS)
      log.warn(
        { issuer },
        isOver
          ? 'a refresh token of another issuer stays unrevoked; giving up'
          : 'a refresh token of another issuer stays unrevoked while provider.issuer is not that issuer',
      );
    await (isOver ? pending.remove() : pending.reschedule(clock() + OTHER_ISSUER_PAUSE_MS)).catch(
      () => undefined,
    );
    return false;
  };

  /** Gives the time of the next attempt, or undefined if there is none. */
  const retryTimeAfter = (
    outcome: RevocationOutcome,
    { addedAtMs }: PendingRevocation,
  ): number | undefined => {
    const ageMs = clock() - addedAtMs;
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
        const retryInMs = Math.max(retryPauseMs(ageMs), (outcome.retryAfterSeconds ?? 0) * 1000);
        log.warn({ err: outcome.cause, retryInMs }, 'cannot revoke a refresh token; retrying later');
        return clock() + retryInMs;
      }
    }
  };

  /** Retries one token, then two, four … while they succeed, so that an unavailable provider gets few requests. */
  const retryDue = async () => {
    for (let count = 1; !isClosed; count = Math.min(MAX_CONCURRENT_RETRIES, count * 2)) {
      const claimed = await Promise.all(outboxes.map((outbox) => outbox.claim(count).catch(() => [])));
      const results = await Promise.all(claimed.flat().map(attempt));
      if (results.length < count || results.includes(false)) return;
    }
  };
  const scheduleRetries = () => {
    if (isClosed) return;
    timer = setTimeout(
      () => void track(retryDue()).then(scheduleRetries),
      jittered(POLL_INTERVAL_MS, 0.75, 1.25),
    );
    timer.unref();
  };
  scheduleRetries();

  return {
    async revoke(request) {
      await track(enqueue(request).then(attempt));
    },
    async settle() {
      isClosed = true;
      clearTimeout(timer);
      await settleTasks();
      const results = await Promise.all(local.claimAll().map(attempt));
      const lost = results.filter((isSettled) => !isSettled).length;
      if (lost > 0) log.error({ lost }, 'exiting before all refresh tokens are revoked');
    },
  };
}

/** The pause equals the age of the revocation, so that pauses double. */
function retryPauseMs(ageMs: number): number {
  return Math.round(jittered(Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, ageMs))));
}
