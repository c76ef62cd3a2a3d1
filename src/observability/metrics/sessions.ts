import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { SECONDS_BUCKETS } from './children.ts';
import { createLastMinute } from './last-minute.ts';

export type RefreshOutcomeLabel = 'refreshed' | 'joined' | 'reused' | 'kept' | 'rejected' | 'failed';

const MINUTE_MS = 60_000;

/** Metrics of sign-ins, sessions and refreshes. */
export type SessionMetrics = {
  refresh(outcome: RefreshOutcomeLabel): void;
  /** Counts new tokens that were dropped, because another write of the session came first or the session has ended. */
  refreshConflict(reason: 'changed' | 'ended'): void;
  refreshDuration(seconds: number): void;
  lockWait(seconds: number): void;
  /** Counts a finished sign-in. The reason is a code, never a text of the provider or of a user. */
  signIn(outcome: 'success' | 'failure', reason: string): void;
  sessionStarted(): void;
  /** A session that is in use: called once in `everyMs` for each, by whichever process extends its idle limit. */
  sessionUsed(everyMs: number): void;
  sessionEnded(reason: string): void;
};

export function createSessionMetrics(registry: Registry): SessionMetrics {
  const registers = [registry];
  const refreshes = new Counter({
    name: 'coatcheck_refresh_total',
    help: 'Token refreshes, by outcome: refreshed, joined (waited for another request), reused (another process had refreshed), kept (no new token, the session stays), rejected, failed.',
    labelNames: ['outcome'],
    registers,
  });
  const refreshConflicts = new Counter({
    name: 'coatcheck_refresh_conflicts_total',
    help: 'Refreshes whose new tokens were dropped, by reason: changed (another write of the session came first), ended (the session has ended meanwhile; its new refresh token is revoked).',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of ['changed', 'ended']) refreshConflicts.inc({ reason }, 0);
  const refreshSeconds = new Histogram({
    name: 'coatcheck_refresh_duration_seconds',
    help: 'Duration of token endpoint calls for refreshes.',
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const lockWaitSeconds = new Histogram({
    name: 'coatcheck_refresh_lock_wait_seconds',
    help: 'Time a refresh waits for the lock of its session.',
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const signIns = new Counter({
    name: 'coatcheck_sign_ins_total',
    help: 'Sign-ins that have ended, by outcome: success, failure; and by reason: sign_in or step_up for a success, otherwise why it failed.',
    labelNames: ['outcome', 'reason'],
    registers,
  });
  for (const reason of ['sign_in', 'step_up']) signIns.inc({ outcome: 'success', reason }, 0);
  const started = new Counter({
    name: 'coatcheck_sessions_started_total',
    help: 'Sessions started.',
    registers,
  });
  const ended = new Counter({
    name: 'coatcheck_sessions_ended_total',
    help: 'Sessions ended, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const used = createLastMinute();
  new Gauge({
    name: 'coatcheck_sessions_active',
    help: 'Sessions used in the last minute, about. Replicas count each session once, so that their numbers add up.',
    registers,
    collect() {
      this.set(Math.round(used.sum()));
    },
  });

  return {
    refresh: (outcome) => refreshes.inc({ outcome }),
    refreshConflict: (reason) => refreshConflicts.inc({ reason }),
    refreshDuration: (seconds) => refreshSeconds.observe(seconds),
    lockWait: (seconds) => lockWaitSeconds.observe(seconds),
    signIn: (outcome, reason) => signIns.inc({ outcome, reason }),
    sessionStarted: () => started.inc(),
    sessionUsed: (everyMs) => used.add(Math.min(1, everyMs / MINUTE_MS)),
    sessionEnded: (reason) => ended.inc({ reason }),
  };
}
