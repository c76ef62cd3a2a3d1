import { createSlidingWindow } from '../concurrency/sliding-window.ts';
import type { SessionData, SessionRecord } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import { refreshKey } from './credential.ts';

/** Bounds the refreshes of each session and audience, and, more widely, those of each session (`refresh.maxPerMinute`). */
export type RefreshLimit = {
  /** Counts one more and returns 0, or counts nothing and returns the milliseconds until one more is allowed. */
  take(record: SessionRecord, audience: Audience): number;
  /** The refreshes of the last minute for the session's record, with one at `atMs`. */
  renewalsWith(data: SessionData, audience: Audience, atMs: number): Renewals;
  /** The refreshes of the last minute for the session's record. */
  renewals(data: SessionData): Renewals;
};

type Renewals = NonNullable<SessionData['renewals']>;

/** Tokens of many audiences expire together: a session may refresh this many times as often as one of its audiences. */
const AUDIENCES = 10;

export function createRefreshLimit(deps: { perMinute: number; clock: () => number }): RefreshLimit {
  const { perMinute, clock } = deps;
  const ofAudience = createSlidingWindow({ perMinute, clock });
  const ofSession = createSlidingWindow({ perMinute: perMinute * AUDIENCES, clock });

  const renewals = (data: SessionData): Renewals =>
    Object.fromEntries(
      Object.entries(data.renewals ?? {})
        .map(([id, times]) => [id, ofAudience.recent(times)] as const)
        .filter(([, times]) => times.length > 0),
    );

  return {
    renewals,
    renewalsWith(data, { id }, atMs) {
      const recent = renewals(data);
      return { ...recent, [id]: [...(recent[id] ?? []), atMs] };
    },
    take(record, audience) {
      const recent = renewals(record.data);
      const all = Object.values(recent)
        .flat()
        .toSorted((one, other) => one - other);
      return Math.max(
        ofAudience.take(refreshKey(record, audience), recent[audience.id]),
        ofSession.take(record.key, all),
      );
    },
  };
}
