import { createLimitedWarning } from '../../observability/log-limit.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { PendingWrites } from '../pending-writes.ts';
import type { ReadCache } from '../read-cache.ts';
import type { SessionRecord, SessionView } from '../session.ts';
import type { PeerKeys } from '../store/redis/peer-keys.ts';
import type { SessionStore } from '../store/store.ts';
import type { Tickets } from '../ticket.ts';
import { createUnknownKeyLog, unknownKey } from './unknown-key.ts';
import type { UnannouncedEnds } from './unannounced-ends.ts';

/**
 * The session of a request: `absent` without a usable cookie, `ended` if the cookie names no live session. `conflict`: there
 * are two different cookies, of which one is planted. `unknown_key`: another process may be able to open the cookie.
 */
export type SessionReading<Kind = SessionView> =
  | { kind: 'absent'; because?: 'conflict' }
  | { kind: 'absent'; because: 'unknown_key'; keyId: number }
  | { kind: 'ended' }
  | { kind: 'live'; session: Kind };

/**
 * Finds the session of a request. With a client address, each that may wait throws `rate_limited` once that address has sent too
 * many forged cookies. All but `peek` throw `store_unavailable` for a cookie that another process can open: without it, the
 * response would read as a sign-out.
 */
export type SessionLookup = {
  /** Finds the session of a request. Does not extend its idle limit. */
  peek(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading>;
  /** Like `touch`, for a session in memory: most are. For any other, only `touch` knows. */
  touchInMemory(cookieHeader: string | undefined): { kind: 'live'; session: SessionView } | undefined;
  /** Finds the session of a request and extends its idle limit. */
  touch(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading>;
  /** Like `touch`, but extends the limit however short ago that last happened, before it gives the session. */
  extend(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading>;
  /** Loads the full record of a request's session, past the cache. Does not extend its idle limit. */
  load(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading<SessionRecord>>;
};

type LookupDeps = {
  store: SessionStore;
  cache: ReadCache;
  tickets: Tickets;
  pendingWrites: PendingWrites;
  unannouncedEnds: UnannouncedEnds;
  peerKeys: Pick<PeerKeys, 'has'>;
  /** In milliseconds. */
  idleTimeout: number;
  clock: () => number;
  log: Logger;
  metrics: Pick<Metrics, 'sessionUsed'>;
};

/** The shortest time between two extensions of the idle limit, as a share of it and in milliseconds. */
const TOUCH_SHARE = 1 / 20;
const TOUCH_MS = 60_000;

/** The shortest time between two warnings about unknown keys, in milliseconds. */
const WARNING_INTERVAL_MS = 10_000;

export function createSessionLookup(deps: LookupDeps): SessionLookup {
  const {
    store,
    cache,
    tickets,
    pendingWrites,
    unannouncedEnds,
    peerKeys,
    idleTimeout,
    clock,
    log,
    metrics,
  } = deps;
  const touchEveryMs = Math.min(TOUCH_MS, idleTimeout * TOUCH_SHARE);

  const warnOfPeerKey = createUnknownKeyLog({
    log,
    clock,
    message:
      'session cookies are sealed with a secret that other processes have and this one lacks; responding with 503',
  });
  /** SECURITY: anybody can send a cookie that names any key, so the number of warnings is limited. */
  const warnOfUselessKey = createLimitedWarning({ log, intervalMs: WARNING_INTERVAL_MS, clock });
  const orThrowIfPeerHasKey = async <Kind>(reading: SessionReading<Kind>): Promise<SessionReading<Kind>> => {
    if (reading.kind !== 'absent' || reading.because !== 'unknown_key') return reading;
    const { keyId } = reading;
    if (await peerKeys.has(keyId)) {
      warnOfPeerKey(keyId);
      throw unknownKey();
    }
    warnOfUselessKey(
      { keyId },
      'a session cookie is sealed with a secret that this process does not have; the cookie is kept',
    );
    return reading;
  };

  /** Finds the session of a cookie in memory, or else in the store. */
  const findByCookie = async <Kind extends SessionView>(
    [cookieHeader, clientAddress]: Parameters<Tickets['read']>,
    getFromMemory: (key: string) => Kind | undefined,
    load: (key: string) => Promise<Kind | undefined>,
  ): Promise<SessionReading<Kind>> => {
    const ticket = await tickets.read(cookieHeader, clientAddress);
    switch (ticket.kind) {
      // SECURITY: a conflict counts as no cookie and clears nothing, so that a planted cookie cannot sign the user out.
      case 'conflict':
        return { kind: 'absent', because: 'conflict' };
      case 'absent':
        return { kind: 'absent' };
      // Keeps the cookie: during a rotation or a rolling restart, another process may have the secret.
      case 'unknown_key':
        return { kind: 'absent', because: 'unknown_key', keyId: ticket.keyId };
      case 'invalid':
        return { kind: 'ended' };
      case 'ticket':
        return findByKey(ticket.key, getFromMemory, load);
    }
  };
  const findByKey = async <Kind extends SessionView>(
    key: string,
    getFromMemory: (key: string) => Kind | undefined,
    load: (key: string) => Promise<Kind | undefined>,
  ): Promise<SessionReading<Kind>> => {
    const cached = getFromMemory(key);
    // The cached idle limit may be older than another replica's extension of it: only the store decides that it has passed.
    if (cached !== undefined && !unannouncedEnds.isEnded(cached)) return { kind: 'live', session: cached };
    const lastSeen = cache.lastSeen(key);
    const session = await load(key);
    if (session === undefined) {
      unannouncedEnds.reportMissing(key, lastSeen);
      return { kind: 'ended' };
    }
    if (!unannouncedEnds.isEnded(session)) return { kind: 'live', session };
    await unannouncedEnds.end(session);
    return { kind: 'ended' };
  };
  const getFromMemory = (key: string) => pendingWrites.get(key) ?? cache.get(key);
  const peek: SessionLookup['peek'] = (...cookie) => findByCookie(cookie, getFromMemory, cache.load);

  const extendIdleLimit = (session: SessionView) => {
    const idleExpiresAtMs = clock() + idleTimeout;
    const isDue = (until = 0) => idleExpiresAtMs - until >= touchEveryMs;
    // Of concurrent requests, the first extends the limit in the cache and the others find it done.
    if (!isDue(session.idleExpiresAtMs) || !isDue(cache.get(session.key)?.idleExpiresAtMs)) return;
    cache.touch(session.key, idleExpiresAtMs);
    metrics.sessionUsed(touchEveryMs);
    store.touch(session.key, idleExpiresAtMs).then(
      (isLive) => {
        if (!isLive) cache.drop(session.key);
      },
      (error: unknown) => {
        cache.drop(session.key);
        log.debug({ err: error }, 'cannot extend the idle timeout of a session');
      },
    );
  };

  return {
    peek,

    touchInMemory(cookieHeader) {
      const key = tickets.readOpened(cookieHeader);
      const session = key === undefined ? undefined : getFromMemory(key);
      if (session === undefined || unannouncedEnds.isEnded(session)) return undefined;
      extendIdleLimit(session);
      return { kind: 'live', session };
    },

    async touch(...cookie) {
      const reading = await orThrowIfPeerHasKey(await peek(...cookie));
      if (reading.kind === 'live') extendIdleLimit(reading.session);
      return reading;
    },

    async extend(...cookie) {
      const reading = await orThrowIfPeerHasKey(await peek(...cookie));
      if (reading.kind !== 'live') return reading;
      const { key } = reading.session;
      const idleExpiresAtMs = clock() + idleTimeout;
      if (await store.touch(key, idleExpiresAtMs)) {
        cache.touch(key, idleExpiresAtMs);
        return reading;
      }
      cache.drop(key);
      unannouncedEnds.reportMissing(key, reading.session);
      return { kind: 'ended' };
    },

    load: async (...cookie) =>
      orThrowIfPeerHasKey(await findByCookie(cookie, pendingWrites.get, store.loadRecord)),
  };
}
