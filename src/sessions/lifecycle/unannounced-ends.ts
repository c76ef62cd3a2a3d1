import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { lapseReason, type EndReason } from '../end-reason.ts';
import type { ReadCache } from '../read-cache.ts';
import { isOver, type SessionView } from '../session.ts';
import type { SessionStore } from '../store/store.ts';
import type { SessionEnding } from './ending.ts';

/** Sessions that have ended without a message: a limit passed, the generation or the issuer changed, or the record is gone. */
export type UnannouncedEnds = {
  isEnded(session: SessionView): boolean;
  /** Ends a session that has ended so, with its reason. */
  end(session: SessionView): Promise<unknown>;
  /**
   * Reports a session without a record, once. Redis deletes a record without a message when a limit passes: the last known
   * state of the session may tell which limit.
   */
  reportMissing(key: string, lastSeen: SessionView | undefined): void;
};

/** The maximum number of missing sessions that a process remembers to have reported. */
const MAX_REPORTED = 10_000;

export function createUnannouncedEnds(deps: {
  /** The issuer of the provider. */
  issuer: string;
  store: Pick<SessionStore, 'generation' | 'isUnreadable'>;
  cache: Pick<ReadCache, 'hasEnded'>;
  ending: Pick<SessionEnding, 'end' | 'reportEnd'>;
  clock: () => number;
  log: Logger;
  metrics: Pick<Metrics, 'sessionEnded'>;
}): UnannouncedEnds {
  const { issuer, store, cache, ending, clock, log, metrics } = deps;
  const isPast = (session: SessionView) => isOver(session, clock(), store.generation());
  // SECURITY: after a change of the provider, no token of the former one is sent to an API.
  const isEnded = (session: SessionView) => isPast(session) || session.data.issuer !== issuer;
  const reasonOf = (session: SessionView): EndReason =>
    isPast(session) ? lapseReason(session, store.generation()) : 'issuer_changed';
  /** The sessions whose end was reported: a browser that polls with an old cookie must not repeat the line. */
  const reported = createBoundedMap<string, true>({ maxEntries: MAX_REPORTED });

  return {
    isEnded,
    end: (session) => ending.end(session.key, reasonOf(session)),
    reportMissing(key, lastSeen) {
      if (cache.hasEnded(key) || store.isUnreadable(key) || reported.has(key)) return;
      reported.set(key, true);
      if (lastSeen !== undefined && isEnded(lastSeen)) return ending.reportEnd(key, reasonOf(lastSeen));
      metrics.sessionEnded('not_found');
      log.info(
        { session: key, reason: 'not_found' },
        'session not found: it has ended before, a limit has passed, or the store has lost it',
      );
    },
  };
}
