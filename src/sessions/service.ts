import { createTaskTracker } from '../concurrency/task-tracker.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { loginRefused } from '../provider/login-failure.ts';
import type { SignIn } from '../provider/provider.ts';
import { createTokenSet } from '../tokens/token-set.ts';
import type { EndReason } from './end-reason.ts';
import { createSessionsBySubject, type SessionsBySubject } from './by-subject.ts';
import type { ReadCache } from './read-cache.ts';
import type { Revocations } from './revocation/revocation.ts';
import {
  claimedEndMs,
  isOutdated,
  isOver,
  sessionView,
  sessionEndsAtMs,
  sessionRecord,
  type SessionView,
  type SessionData,
  type SessionRecord,
} from './session.ts';
import type { ReplaceResult, SessionStore } from './store/store.ts';
import type { Tickets } from './ticket.ts';
import type { PendingWrites } from './pending-writes.ts';

/** What a request's cookie leads to: no cookie, a cookie of no session, or a living session. */
export type SessionReading<Kind = SessionView> =
  { kind: 'absent' } | { kind: 'ended' } | { kind: 'live'; session: Kind };

/** How a sign-in came about. */
export type SignInOrigin = {
  /** When it was begun, in milliseconds since the epoch; when its token request was sent, unless said otherwise. */
  readonly beganAtMs?: number | undefined;
  /** The sessions it takes the place of: they end. */
  readonly replaces?: Iterable<string>;
};

/** The sessions: finding, starting, changing and ending them. The only writer of the store. */
export type Sessions = Pick<SessionsBySubject, 'list' | 'endOf' | 'endSignInsOf'> & {
  /** Finds the session of a request without counting as its use. */
  peek(cookieHeader: string | undefined): Promise<SessionReading>;
  /** Finds the session of a request and moves its idle limit. */
  touch(cookieHeader: string | undefined): Promise<SessionReading>;
  /** Reads all of a request's session from the store, past every cache, without counting as its use. */
  load(cookieHeader: string | undefined): Promise<SessionReading<SessionRecord>>;
  /** Reads a session from the store itself, past every cache. */
  loadByKey(key: string): Promise<SessionRecord | undefined>;
  /**
   * Starts a session under a new ticket; gives the Set-Cookie value. Throws `login_failed` when sign-ins of its owner have
   * been ended since it was begun. Whoever catches an error of it gives the refresh token back.
   */
  start(signIn: SignIn, arrival?: SignInOrigin): Promise<{ key: string; setCookie: string }>;
  /** Writes a changed session, if nobody else has changed or ended it since it was read. */
  replace(old: SessionRecord, data: SessionData): Promise<Replacement>;
  /** Gives a refresh token back to the provider that belongs to no session any more. */
  revoke(refreshToken: string | undefined): void;
  /** Settles when nothing is left to be written or revoked. */
  settle(): Promise<void>;
  /**
   * Ends a session: removes it, tells every replica, and begins to revoke its refresh token, unless the provider has
   * done so. Ending twice does nothing.
   */
  end(key: string, reason: EndReason): Promise<Ending | undefined>;
  /** Ends every session there is, at a cost that does not depend on how many they are. */
  endAll(): Promise<void>;
  /** The Set-Cookie value that takes the ticket from the browser. */
  clearCookie(): string;
};

/**
 * What became of a changed session. When the store is away the change is held in memory and counts as `replaced`, and
 * `saved` settles when it has been written or has lost its meaning.
 */
export type Replacement = { result: ReplaceResult; record: SessionRecord; saved: Promise<unknown> };

/** An ended session as it was; `revoked` settles with the first attempt to revoke its refresh token. */
export type Ending = { data: SessionData; revoked: Promise<void> };

type SessionsDeps = {
  store: SessionStore;
  cache: ReadCache;
  tickets: Tickets;
  revocations: Revocations;
  unsaved: PendingWrites;
  idleTimeout: number;
  absoluteTimeout: number;
  /** How many sessions one person may have at once; 0 is no limit. */
  maxPerUser: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/** The idle limit is moved at most this often, as a share of itself and in milliseconds: most requests write nothing. */
const TOUCH_SHARE = 1 / 20;
const TOUCH_MS = 60_000;

/** How often the log says that a cookie names an unknown key, in milliseconds. */
const WARN_EVERY_MS = 10_000;

/** Reasons for which the refresh token is not revoked: the provider has refused it, or it is another person's matter. */
const withoutRevocation: ReadonlySet<EndReason> = new Set(['refresh_rejected', 'identity_changed']);

export function createSessions(deps: SessionsDeps): Sessions {
  const { store, cache, tickets, revocations, unsaved, idleTimeout, clock, log, metrics } = deps;
  const touchEveryMs = Math.min(TOUCH_MS, idleTimeout * TOUCH_SHARE);

  const writes = createTaskTracker();
  const revoke = (refreshToken: string | undefined) => {
    if (refreshToken !== undefined) void revocations.revoke(refreshToken);
  };

  let warnedAtMs = -Infinity;
  /** SECURITY: anybody can send a cookie that names any key: one line in a while, however many come. */
  const warnOfUnknownKey = (keyId: number) => {
    if (clock() - warnedAtMs < WARN_EVERY_MS) return;
    warnedAtMs = clock();
    log.warn(
      { keyId },
      'a session cookie is sealed with a secret that this process does not have; the cookie is kept',
    );
  };

  const isEnded = (session: SessionView) => isOver(session, clock(), store.generation());

  /** Follows a cookie to its session: in memory, where it may be had, or in the store. */
  const follow = async <Kind extends SessionView>(
    cookieHeader: string | undefined,
    held: (key: string) => Kind | undefined,
    load: (key: string) => Promise<Kind | undefined>,
  ): Promise<SessionReading<Kind>> => {
    const ticket = await tickets.read(cookieHeader);
    switch (ticket.kind) {
      // SECURITY: a conflict is no session, and clears nothing: whoever plants a cookie must not sign the person out by it.
      case 'absent':
      case 'conflict':
        return { kind: 'absent' };
      // The cookie stays: another process may have the secret, during a rotation or a rolling restart.
      case 'unknown_key':
        warnOfUnknownKey(ticket.keyId);
        return { kind: 'absent' };
      case 'invalid':
        return { kind: 'ended' };
      case 'ticket':
        return followKey(ticket.key, held, load);
    }
  };
  const followKey = async <Kind extends SessionView>(
    key: string,
    held: (key: string) => Kind | undefined,
    load: (key: string) => Promise<Kind | undefined>,
  ): Promise<SessionReading<Kind>> => {
    const known = held(key);
    // It may be older than another replica's touch: only the store may call a session idle.
    if (known !== undefined && !isEnded(known)) return { kind: 'live', session: known };
    const session = await load(key);
    if (session === undefined) return { kind: 'ended' };
    if (!isEnded(session)) return { kind: 'live', session };
    await end(session.key, isOutdated(session.data, store.generation()) ? 'admin' : 'expired');
    return { kind: 'ended' };
  };
  const inMemory = (key: string) => unsaved.get(key) ?? cache.get(key);
  const peek: Sessions['peek'] = (cookieHeader) => follow(cookieHeader, inMemory, cache.load);

  const touch = (session: SessionView) => {
    const idleExpiresAtMs = clock() + idleTimeout;
    const isDue = (until = 0) => idleExpiresAtMs - until >= touchEveryMs;
    // Of many requests at once the first touches, and the others find it done in the cache.
    if (!isDue(session.idleExpiresAtMs) || !isDue(cache.get(session.key)?.idleExpiresAtMs)) return;
    cache.touch(session.key, idleExpiresAtMs);
    store.touch(session.key, idleExpiresAtMs).then(
      (alive) => {
        if (!alive) cache.drop(session.key);
      },
      (error: unknown) => {
        cache.drop(session.key);
        log.debug({ err: error }, 'cannot extend the idle timeout of a session');
      },
    );
  };

  const end: Sessions['end'] = async (key, reason) => {
    const removed = await store.remove(key);
    cache.drop(key);
    unsaved.drop(key);
    if (removed === undefined) return undefined;
    metrics.sessionEnded(reason);
    log.info({ session: key, reason }, 'session ended');
    const { refreshToken } = removed.data.tokens;
    const isToRevoke = refreshToken !== undefined && !withoutRevocation.has(reason);
    const revoked = isToRevoke ? revocations.revoke(refreshToken) : Promise.resolve();
    return { data: removed.data, revoked };
  };

  const owned = createSessionsBySubject({ store, end, maxPerUser: deps.maxPerUser, clock });

  return {
    peek,

    async touch(cookieHeader) {
      const reading = await peek(cookieHeader);
      if (reading.kind === 'live') touch(reading.session);
      return reading;
    },

    load: (cookieHeader) => follow(cookieHeader, unsaved.get, store.loadRecord),

    async loadByKey(key) {
      const record = unsaved.get(key) ?? (await store.loadRecord(key));
      return record === undefined || isOutdated(record.data, store.generation()) ? undefined : record;
    },

    async start(signIn, { beganAtMs = signIn.sentAtMs, replaces = [] } = {}) {
      const now = clock();
      const { key, setCookie } = await tickets.issue();
      const data: SessionData = {
        issuer: signIn.issuer,
        subject: signIn.subject,
        providerSessionId: signIn.providerSessionId,
        signedInAtSeconds: Number.isFinite(signIn.claims['iat']) ? Number(signIn.claims['iat']) : undefined,
        claims: signIn.claims,
        tokens: createTokenSet(signIn.answer, signIn.sentAtMs),
        flow: signIn.flow,
        createdAtMs: now,
        absoluteExpiresAtMs: Math.min(now + deps.absoluteTimeout, claimedEndMs(signIn.claims)),
      };
      if (sessionEndsAtMs(data) <= now)
        throw loginRefused('the provider reports that the session has already ended ("session_expiry")');
      await store.create(key, data, now + idleTimeout);
      // SECURITY: asked when the session can be found, and before anybody has its ticket.
      if (await owned.isRefused(data, beganAtMs)) {
        await store.remove(key);
        throw loginRefused('the provider ended this session during the sign-in; sign in again');
      }
      metrics.sessionStarted();
      log.info({ session: key }, 'session started');
      for (const former of replaces) await end(former, 'replaced');
      await owned.keepToLimit(data);
      return { key, setCookie };
    },

    async replace(old, data) {
      const record = sessionRecord({ ...old, data, version: old.version + 1 });
      if (isOutdated(data, store.generation())) return { result: 'gone', record, saved: Promise.resolve() };
      try {
        const result = await store.replace(old.key, data, old.version);
        if (result === 'replaced') cache.put(sessionView(record));
        else cache.drop(old.key);
        return { result, record, saved: Promise.resolve() };
      } catch {
        const saved = unsaved.hold(record, old.version).then((result) => {
          cache.drop(old.key);
          if (result === 'gone') revoke(data.tokens.refreshToken);
        });
        return { result: 'replaced', record, saved: writes.track(saved) };
      }
    },

    revoke,
    async settle() {
      await writes.settle();
      await revocations.settle();
    },

    end,
    list: owned.list,
    endOf: owned.endOf,
    endSignInsOf: owned.endSignInsOf,
    endAll: store.beginGeneration,
    clearCookie: tickets.clear,
  };
}
