import { createBoundedMap } from '../../concurrency/bounded-map.ts';
import { backoffMs, type BackoffRange } from '../../concurrency/backoff.ts';
import type { Logger } from '../../observability/log.ts';

/**
 * Bounds the token refreshes that one upstream can cause with 401 responses. An upstream that rejects refreshed tokens as well
 * would otherwise turn each of its sessions into calls of the token endpoint.
 */
export type RefusalBreaker = {
  /**
   * Begins to refresh a token of `session` that the upstream rejected; waits while the outcome of too many others is unknown.
   * Undefined while the breaker is open: the 401 is then the response.
   */
  begin(session: string): Promise<RefusalAttempt | undefined>;
  /**
   * Reports whether the upstream accepts an access token. True for a token that an attempt has left undecided, unless it is
   * decided already.
   */
  decide(accessToken: string, isAccepted: boolean): boolean;
  /** True while 401s of the upstream cause no refresh, but for a trial after each pause. */
  isOpen(): boolean;
};

/** One refresh after a 401. The caller must report how it ended; only the first report counts. */
export type RefusalAttempt = {
  /** The upstream accepted the refreshed token. */
  accepted(): void;
  /** The upstream rejected the refreshed token, too. */
  refused(): void;
  /**
   * No replay decides about the refreshed token. It counts as rejected until a later request with it is accepted: an upstream
   * must not escape the breaker by requests that cannot be repeated.
   */
  undecided(accessToken: string): void;
  /** There is no refreshed token, or the upstream did not respond. */
  cancel(): void;
};

/** The number of sessions in a row whose refreshed token is rejected before the breaker opens. */
const REFUSALS_UNTIL_OPEN = 10;
/** How many sessions may refresh at once after the upstream has accepted a refreshed token. */
const MAX_PROVEN = 64;
/** How many refreshed tokens may wait for a request that decides about them. */
const MAX_UNDECIDED = 100;
const PAUSES: BackoffRange = { firstMs: 1_000, longestMs: 30_000 };

/** One breaker for each route. It counts in this process. After each pause, one session may refresh as a trial. */
export function createRefusalBreaker(deps: {
  route: string;
  clock: () => number;
  log: Logger;
}): RefusalBreaker {
  const { route, clock, log } = deps;
  /** The sessions whose refreshed token was rejected since the upstream last accepted one. */
  const refused = new Set<string>();
  const undecided = createBoundedMap<string, true>({ maxEntries: MAX_UNDECIDED });
  /** How many requests of each session wait for an outcome. */
  const inProgress = new Map<string, number>();
  let isProven = false;
  let pauses = 0;
  let pausedUntilMs = 0;
  let outcome = Promise.withResolvers<void>();

  const isFailing = () => refused.size >= REFUSALS_UNTIL_OPEN;
  const isOpen = () => isFailing() && (clock() < pausedUntilMs || inProgress.size > 0);
  const hasRoom = (session: string) => {
    // Requests of one session share its refresh.
    if (inProgress.has(session) || isFailing()) return true;
    return isProven ? inProgress.size < MAX_PROVEN : inProgress.size + refused.size < REFUSALS_UNTIL_OPEN;
  };
  const refuse = (session: string) => {
    isProven = false;
    refused.add(session);
    if (!isFailing() || clock() < pausedUntilMs) return;
    pauses += 1;
    const pauseMs = backoffMs(pauses, PAUSES);
    pausedUntilMs = clock() + pauseMs;
    if (pauses === 1)
      log.warn(
        { route },
        'the API rejects refreshed tokens; its 401s cause few refreshes until it accepts one',
      );
  };
  const accept = () => {
    if (isFailing()) log.info({ route }, 'the API accepts refreshed tokens again');
    isProven = true;
    refused.clear();
    undecided.clear();
    pauses = 0;
  };

  return {
    isOpen: isFailing,
    decide(accessToken, isAccepted) {
      if (!undecided.has(accessToken)) return false;
      undecided.delete(accessToken);
      if (isAccepted) accept();
      return true;
    },
    async begin(session) {
      while (!hasRoom(session)) await outcome.promise;
      if (isOpen() && !inProgress.has(session)) return undefined;
      inProgress.set(session, (inProgress.get(session) ?? 0) + 1);
      let isReported = false;
      const report = (act: () => void) => () => {
        if (isReported) return;
        isReported = true;
        const remaining = (inProgress.get(session) ?? 1) - 1;
        if (remaining === 0) inProgress.delete(session);
        else inProgress.set(session, remaining);
        act();
        outcome.resolve();
        outcome = Promise.withResolvers();
      };
      return {
        accepted: report(accept),
        refused: report(() => refuse(session)),
        undecided(accessToken) {
          undecided.set(accessToken, true);
          report(() => refuse(session))();
        },
        cancel: report(() => undefined),
      };
    },
  };
}
