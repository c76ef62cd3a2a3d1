import type { Audit } from '../../observability/audit.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { endedBy, type EndReason } from '../end-reason.ts';
import type { PendingWrites } from '../pending-writes.ts';
import type { ReadCache } from '../read-cache.ts';
import type { Revocations } from '../revocation/revocation.ts';
import { usesSameGrant } from '../same-grant.ts';
import { personOf, type SessionData } from '../session.ts';
import type { RemovedSecrets, SessionStore } from '../store/store.ts';

/** The last data of an ended session; `revoked` settles after the first attempt to revoke its refresh token. */
export type EndedSession = { data: SessionData; revoked: Promise<void> };

/** Ends sessions: removes the record everywhere, says so in the log and the metrics, and revokes the refresh token. */
export type SessionEnding = {
  /**
   * Removes a session, tells every replica, and starts to revoke its refresh token unless the provider has already
   * rejected it. Idempotent: gives undefined if the session has ended before.
   */
  end(key: string, reason: EndReason): Promise<EndedSession | undefined>;
  /**
   * Ends the sessions that removed secrets seal, and revokes their refresh tokens as far as it can. Never throws: says in the
   * log what it has done.
   */
  endSealedBy(secrets: RemovedSecrets): Promise<void>;
  /** Ends a session whose browser has signed in anew with `next`. False if the session has ended before. */
  replaceWith(next: SessionData, key: string): Promise<boolean>;
  /** Removes a session that no browser has a ticket for, without a word. */
  remove(key: string): Promise<unknown>;
  /** Reports the end of a session whose record is already gone. */
  reportEnd(key: string, reason: EndReason): void;
};

type EndingDeps = {
  store: SessionStore;
  cache: ReadCache;
  revocations: Revocations;
  pendingWrites: PendingWrites;
  log: Logger;
  metrics: Metrics;
  audit: Audit;
};

/** How many refresh tokens are revoked at once when a secret is removed. */
const MAX_CONCURRENT_REVOCATIONS = 16;

/** End reasons that do not revoke the refresh token: the provider rejected it, or it belongs to another user. */
const reasonsWithoutRevocation: ReadonlySet<EndReason> = new Set(['refresh_rejected', 'identity_changed']);

export function createSessionEnding(deps: EndingDeps): SessionEnding {
  const { store, cache, revocations, pendingWrites, log, metrics, audit } = deps;

  const reportEnd = (key: string | undefined, reason: EndReason, data?: SessionData) => {
    metrics.sessionEnded(reason);
    log.info({ session: key, reason }, 'session ended');
    const person = data && personOf(data);
    audit.record({ event: 'session_ended', person, session: key, by: endedBy[reason], reason });
  };
  const remove = async (key: string) => {
    const removed = await store.remove(key);
    cache.drop(key);
    pendingWrites.drop(key);
    return removed;
  };
  const handleRemoved = (key: string | undefined, data: SessionData, reason: EndReason): EndedSession => {
    reportEnd(key, reason, data);
    const { refreshToken } = data.tokens;
    const isToRevoke = refreshToken !== undefined && !reasonsWithoutRevocation.has(reason);
    const revoked = isToRevoke
      ? revocations.revoke({ refreshToken, issuer: data.issuer })
      : Promise.resolve();
    return { data, revoked };
  };

  return {
    remove,
    reportEnd,

    async end(key, reason) {
      const removed = await remove(key);
      return removed && handleRemoved(key, removed.data, reason);
    },

    async replaceWith(next, key) {
      const removed = await remove(key);
      if (removed === undefined) return false;
      if (usesSameGrant(removed.data, next)) reportEnd(key, 'replaced', removed.data);
      else handleRemoved(key, removed.data, 'replaced');
      return true;
    },

    async endSealedBy(secrets) {
      log.warn(
        { secrets: secrets.removed.length },
        'session secrets were removed; ending their sessions and revoking the refresh tokens',
      );
      let revocationsInGroup: Promise<void>[] = [];
      let ended = 0;
      try {
        for await (const { key, data } of store.removeSealedBy(secrets)) {
          ended += 1;
          revocationsInGroup.push(handleRemoved(key, data, 'secret_removed').revoked);
          if (revocationsInGroup.length < MAX_CONCURRENT_REVOCATIONS) continue;
          await Promise.all(revocationsInGroup);
          revocationsInGroup = [];
        }
        await Promise.all(revocationsInGroup);
        log.info(
          { ended },
          'ended the sessions of removed secrets; their refresh tokens are revoked, or queued for it',
        );
      } catch (error) {
        log.error(
          { ended, err: error },
          'could not find all sessions of removed secrets; the refresh tokens of the others stay valid at the provider',
        );
      }
    },
  };
}
