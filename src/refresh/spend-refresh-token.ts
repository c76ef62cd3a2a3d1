import { setTimeout as sleep } from 'node:timers/promises';
import { randomIdentifier } from '../crypto/identifier.ts';
import type { Audit } from '../observability/audit.ts';
import type { Logger } from '../observability/log.ts';
import type { Lease } from '../redis/lock/locks.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionData, SessionRecord } from '../sessions/session.ts';
import { widened } from '../sessions/step-up-requirement.ts';
import type { MarkResult } from '../sessions/store/spend-mark.ts';
import { OUTAGE_GRACE_MS } from '../timing.ts';
import type { Audience } from '../tokens/audience.ts';
import { mergeRefreshResponse } from '../tokens/token-set.ts';
import type { RefreshLimit } from './refresh-limit.ts';
import {
  createFailureSettlement,
  expired,
  refreshed,
  unusableToken,
  type RefreshResult,
} from './refresh-result.ts';
import type { RefreshSuppression } from './refresh-suppression.ts';
import type { OwnMark, TokenEndpointCall } from './token-endpoint-call.ts';

/** The outcome of spending a refresh token under the lock. */
export type Spending = {
  /** Undefined when the session must be read again: another process may have been first. */
  readonly result: RefreshResult | undefined;
  /** Settles when the new tokens are in the store, or the spend mark is removed; the lock is held until then. */
  readonly saved?: Promise<unknown>;
  /** The provider was called, and the call failed: processes that wait for the lock share the failure and do not repeat it. */
  readonly lockOutcome?: 'failed';
  /** The owner of another refresh's spend mark, which is over. */
  readonly waitedFor?: string;
};

/** Mark, call, merge, write: for a session that was read under its lock. */
export type SpendRefreshToken = (given: {
  readonly record: SessionRecord;
  readonly refreshToken: string;
  readonly audience: Audience;
  readonly lease: Lease;
  /** {@link Spending.waitedFor} of the attempt before this one. */
  readonly waitedFor: string | undefined;
}) => Promise<Spending>;

/** The pause before a record that another writer changed is read again, in milliseconds. */
const CONFLICT_PAUSE_MS = 50;
/** How often to read a record with the mark of another refresh, in milliseconds. */
const MARK_CHECK_MS = 500;

export function createSpendRefreshToken(deps: {
  sessions: Sessions;
  callTokenEndpoint: TokenEndpointCall;
  refreshLimit: RefreshLimit;
  suppression: RefreshSuppression;
  /** How long a spend mark lasts, in milliseconds: longer than a call of the token endpoint. */
  spendMarkMs: number;
  log: Logger;
  audit: Audit;
}): SpendRefreshToken {
  const { sessions, callTokenEndpoint, refreshLimit, suppression } = deps;
  const settleFailure = createFailureSettlement(deps);

  /**
   * Mark: handles a record that could not be marked. Another refresh may have sent its token: a process that finds its mark waits
   * until the mark has expired, and until the store has taken writes for a while, because the other may have to write then.
   */
  const settleMark = async (found: MarkResult, lease: Lease, mark: OwnMark): Promise<Spending> => {
    if (found.kind === 'gone') return { result: expired('failed') };
    if (found.kind !== 'taken') {
      // The record has changed, or this process has a newer one that it cannot write yet.
      await sleep(CONFLICT_PAUSE_MS);
      return { result: undefined };
    }
    let endsAtMs = Date.now() + found.remainingMs;
    let writableForMs = Date.now() - lease.waitingSinceMs;
    while (lease.isHeld()) {
      const waitMs = Math.max(endsAtMs - Date.now(), OUTAGE_GRACE_MS - writableForMs);
      if (waitMs <= 0) return { result: undefined, waitedFor: found.owner };
      const stepMs = Math.min(waitMs, MARK_CHECK_MS);
      await sleep(stepMs);
      const now = await mark.write(Infinity).catch(() => undefined);
      if (now === undefined) {
        // The time counts from the first write that succeeds again, at the end of the next step.
        writableForMs = -MARK_CHECK_MS;
        continue;
      }
      // Steps and not the time: on a machine that stalls, the owner is as late as this process.
      writableForMs += stepMs;
      // The other refresh is done. Nothing was sent under this mark.
      if (now.kind !== 'taken' || now.owner !== found.owner)
        return { result: undefined, saved: mark.remove('answered') };
      endsAtMs = Date.now() + now.remainingMs;
    }
    return { result: undefined };
  };

  /** What the new tokens change in a session, besides the tokens. */
  const changesOf = (data: SessionData, audience: Audience, sentAtMs: number) => {
    // The first token of an audience is no repetition.
    const isFirst = data.tokens.access[audience.id] === undefined;
    return {
      upstreamRefusalsAtMs: suppression.recentRejections(data),
      // The refresh token is valid: what the provider refused before was no verdict on it.
      providerRefusals: undefined,
      renewals: isFirst ? refreshLimit.renewals(data) : refreshLimit.renewalsWith(data, audience, sentAtMs),
    };
  };

  return async ({ record, refreshToken, audience, lease, waitedFor }) => {
    const { key, version, data } = record;
    const owner = randomIdentifier();
    const markOver = (over?: string): OwnMark => ({
      write: (unanswered) =>
        sessions.markSpend({ key, version, owner, lifetimeMs: deps.spendMarkMs, over, unanswered }),
      remove: (sending) => sessions.unmarkSpend(key, owner, sending),
    });
    const mark = markOver(waitedFor);

    const outcome = await callTokenEndpoint(
      {
        key,
        refreshToken,
        dpopKey: data.dpopKey,
        subject: data.subject,
        flow: data.flow,
        audience: widened(audience, data.steppedUp),
        namesResource: (data.steppedUp?.resources.length ?? 0) > 0,
        maySend: lease.isHeld,
      },
      mark,
    );
    if (outcome.kind === 'not_marked') return settleMark(outcome.mark, lease, markOver());
    // The lock expired before anything was sent: this process was suspended, or the store was down.
    if (outcome.kind === 'transient' && !lease.isHeld())
      return { result: undefined, saved: mark.remove('unanswered') };
    if (outcome.kind !== 'refreshed') {
      const result = await settleFailure(record, audience, outcome);
      // The circuit breaker is local to this process: another one may reach the provider.
      const hasFailed =
        outcome.throttle === undefined &&
        result?.kind === 'unavailable' &&
        result.error.code === 'provider_unavailable';
      return { result, saved: mark.remove('unanswered'), ...(hasFailed && { lockOutcome: 'failed' }) };
    }

    const isUsable = outcome.tokenResponse.accessToken !== undefined;
    if (isUsable) suppression.providerServed(record, audience);
    else suppression.pauseAfterUnexpected(record, audience);
    const tokens = mergeRefreshResponse(data.tokens, audience.id, outcome.tokenResponse, outcome.sentAtMs);
    const written = await sessions.replace(record, {
      ...data,
      ...changesOf(data, audience, outcome.sentAtMs),
      tokens,
      claims: outcome.claims ?? data.claims,
    });
    switch (written.result) {
      case 'replaced':
        if (!isUsable) return { result: unusableToken(), saved: written.saved, lockOutcome: 'failed' };
        return { result: refreshed(sessions.viewOf(written.record), 'refreshed'), saved: written.saved };
      case 'gone':
        // Signed out meanwhile: the session stays ended.
        return { result: expired('failed') };
      case 'conflict': {
        const current = await sessions.loadByKey(key);
        const result =
          current === undefined ? expired('failed') : refreshed(sessions.viewOf(current), 'failed');
        return { result, saved: mark.remove('answered') };
      }
    }
  };
}
