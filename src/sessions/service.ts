import type { TaskTracker } from '../concurrency/task-tracker.ts';
import { createLimitedWarning } from '../observability/log-limit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { loginRefused, stepUpExpired } from '../provider/login-failure.ts';
import type { SignIn } from '../provider/provider.ts';
import { createTokenSet } from '../tokens/token-set.ts';
import { lapseReason, type EndReason } from './end-reason.ts';
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
import type { MarkResult, SpendMark } from './store/spend-mark.ts';
import type { RemovedSecrets, ReplaceResult, SessionStore } from './store/store.ts';
import type { Tickets } from './ticket.ts';
import type { PendingWrites } from './pending-writes.ts';
import { usesSameGrant } from './same-grant.ts';
import type { SteppedUp } from './step-up-requirement.ts';

/**
 * The session of a request: `absent` without a usable cookie, `ended` if the cookie names no live session. `conflict`: there
 * are two different cookies, of which one is planted. `unknown_key`: another process may be able to open the cookie.
 */
export type SessionReading<Kind = SessionView> =
  | { kind: 'absent'; because?: 'conflict' | 'unknown_key' }
  | { kind: 'ended' }
  | { kind: 'live'; session: Kind };

/** The circumstances of a sign-in. */
export type SignInOrigin = {
  /** When the sign-in began (epoch ms); by default when its token request was sent. */
  readonly beganAtMs?: number | undefined;
  /** The keys of earlier sessions, which the new session ends. */
  readonly replaces?: Iterable<string>;
  /** Of a step-up: what the sign-in has brought, and the key of the session it began in, which must not have ended since. */
  readonly stepUp?: { readonly brought: SteppedUp; readonly from: string } | undefined;
};

/**
 * Finds, starts, changes and ends sessions. The only module that writes to the store. With a client address, the readers
 * throw `rate_limited` once that address has sent too many forged cookies.
 */
export type Sessions = Pick<SessionsBySubject, 'list' | 'find' | 'endOf' | 'endSignInsOf'> & {
  /** Finds the session of a request. Does not extend its idle limit. */
  peek(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading>;
  /** Finds the session of a request and extends its idle limit. */
  touch(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading>;
  /** Loads the full record of a request's session, past the cache. Does not extend its idle limit. */
  load(cookieHeader: string | undefined, clientAddress?: string): Promise<SessionReading<SessionRecord>>;
  /**
   * Loads the full record of a session for a refresh, past the cache; undefined if its generation has ended. Throws
   * `store_unavailable` if the store has lost the newest tokens and another process may have them.
   */
  loadByKey(key: string): Promise<SessionRecord | undefined>;
  /** Marks a record, before its refresh token is spent. Throws `store_unavailable` if the mark cannot be written. */
  markSpend(mark: SpendMark): Promise<MarkResult>;
  /** Removes a mark, unless a write has removed it. Never throws: a mark that stays ends by itself. */
  unmarkSpend(key: string, owner: string): Promise<void>;
  /**
   * Starts a session with a new ticket. Throws `login_failed` if a logout has ended the owner's pending sign-ins since this
   * one began. The caller revokes the refresh token if this throws.
   */
  start(signIn: SignIn, origin?: SignInOrigin): Promise<{ key: string; setCookie: string }>;
  /** Writes new tokens, unless another writer has changed or ended the session since `old` was loaded. */
  replace(old: SessionRecord, data: SessionData): Promise<Replacement>;
  /** Writes other new data, unless the record has changed or ended, or bears a spend mark. Throws if it cannot be written. */
  update(old: SessionRecord, data: SessionData): Promise<void>;
  /** Revokes a refresh token that belongs to no session. */
  revoke(refreshToken: string | undefined): void;
  /** Settles when no write and no revocation is pending. */
  settle(): Promise<void>;
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
  /** Ends every session in constant time. */
  endAll(): Promise<void>;
  /** The Set-Cookie value that deletes the session cookie. */
  clearCookie(): string;
};

/**
 * The result of a write. While the store is unavailable, the new record stays in memory and counts as `replaced`; `saved`
 * settles once it is written or no longer needed.
 */
export type Replacement = { result: ReplaceResult; record: SessionRecord; saved: Promise<unknown> };

/** The last data of an ended session; `revoked` settles after the first attempt to revoke its refresh token. */
export type EndedSession = { data: SessionData; revoked: Promise<void> };

type SessionsDeps = {
  store: SessionStore;
  cache: ReadCache;
  tickets: Tickets;
  revocations: Revocations;
  pendingWrites: PendingWrites;
  backgroundTasks: TaskTracker;
  idleTimeout: number;
  absoluteTimeout: number;
  /** The maximum number of sessions per person; 0 means no limit. */
  maxPerUser: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
};

/** The shortest time between two extensions of the idle limit, as a share of it and in milliseconds. */
const TOUCH_SHARE = 1 / 20;
const TOUCH_MS = 60_000;

/** The shortest time between two warnings about unknown keys, in milliseconds. */
const WARNING_INTERVAL_MS = 10_000;

/** How many refresh tokens are revoked at once when a secret is removed. */
const MAX_CONCURRENT_REVOCATIONS = 16;

/** End reasons that do not revoke the refresh token: the provider rejected it, or it belongs to another person. */
const reasonsWithoutRevocation: ReadonlySet<EndReason> = new Set(['refresh_rejected', 'identity_changed']);

export function createSessions(deps: SessionsDeps): Sessions {
  const { store, cache, tickets, revocations, pendingWrites, idleTimeout, clock, log, metrics } = deps;
  const touchEveryMs = Math.min(TOUCH_MS, idleTimeout * TOUCH_SHARE);

  const revoke = (refreshToken: string | undefined) => {
    if (refreshToken !== undefined) void revocations.revoke(refreshToken);
  };

  /** SECURITY: anybody can send a cookie that names any key, so the number of warnings is limited. */
  const warnOfUnknownKey = createLimitedWarning({ log, intervalMs: WARNING_INTERVAL_MS, clock });

  const isEnded = (session: SessionView) => isOver(session, clock(), store.generation());

  /** Finds the session of a cookie in memory, or else in the store. */
  const findByCookie = async <Kind extends SessionView>(
    [cookieHeader, clientAddress]: Parameters<Tickets['read']>,
    getFromMemory: (key: string) => Kind | undefined,
    load: (key: string) => Promise<Kind | undefined>,
  ): Promise<SessionReading<Kind>> => {
    const ticket = await tickets.read(cookieHeader, clientAddress);
    switch (ticket.kind) {
      // SECURITY: a conflict counts as no cookie and clears nothing, so that a planted cookie cannot sign the person out.
      case 'conflict':
        return { kind: 'absent', because: 'conflict' };
      case 'absent':
        return { kind: 'absent' };
      // Keeps the cookie: during a rotation or a rolling restart, another process may have the secret.
      case 'unknown_key':
        warnOfUnknownKey(
          { keyId: ticket.keyId },
          'a session cookie is sealed with a secret that this process does not have; the cookie is kept',
        );
        return { kind: 'absent', because: 'unknown_key' };
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
    if (cached !== undefined && !isEnded(cached)) return { kind: 'live', session: cached };
    const lastSeen = cache.lastSeen(key);
    const session = await load(key);
    if (session === undefined) {
      logMissing(key, lastSeen);
      return { kind: 'ended' };
    }
    if (!isEnded(session)) return { kind: 'live', session };
    await end(session.key, lapseReason(session, store.generation()));
    return { kind: 'ended' };
  };
  /** Redis deletes a record without a message when a limit passes: the last known state of the session may tell which limit. */
  const logMissing = (key: string, lastSeen: SessionView | undefined) => {
    if (cache.hasEnded(key)) return;
    if (lastSeen !== undefined && isEnded(lastSeen))
      return logEnd(key, lapseReason(lastSeen, store.generation()));
    log.info(
      { session: key },
      'session not found: it has ended before, a limit has passed, or the store has lost it',
    );
  };
  const logEnd = (key: string | undefined, reason: EndReason) => {
    metrics.sessionEnded(reason);
    log.info({ session: key, reason }, 'session ended');
  };
  const getFromMemory = (key: string) => pendingWrites.get(key) ?? cache.get(key);
  const peek: Sessions['peek'] = (...cookie) => findByCookie(cookie, getFromMemory, cache.load);

  const extendIdleLimit = (session: SessionView) => {
    const idleExpiresAtMs = clock() + idleTimeout;
    const isDue = (until = 0) => idleExpiresAtMs - until >= touchEveryMs;
    // Of concurrent requests, the first extends the limit in the cache and the others find it done.
    if (!isDue(session.idleExpiresAtMs) || !isDue(cache.get(session.key)?.idleExpiresAtMs)) return;
    cache.touch(session.key, idleExpiresAtMs);
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

  const remove = async (key: string) => {
    const removed = await store.remove(key);
    cache.drop(key);
    pendingWrites.drop(key);
    return removed;
  };
  const end: Sessions['end'] = async (key, reason) => {
    const removed = await remove(key);
    return removed && handleRemoved(key, removed.data, reason);
  };
  const handleRemoved = (key: string | undefined, data: SessionData, reason: EndReason): EndedSession => {
    logEnd(key, reason);
    const { refreshToken } = data.tokens;
    const isToRevoke = refreshToken !== undefined && !reasonsWithoutRevocation.has(reason);
    const revoked = isToRevoke ? revocations.revoke(refreshToken) : Promise.resolve();
    return { data, revoked };
  };
  /** False if the session has ended before. */
  const replaceWith = async (next: SessionData, key: string): Promise<boolean> => {
    const removed = await remove(key);
    if (removed === undefined) return false;
    if (usesSameGrant(removed.data, next)) logEnd(key, 'replaced');
    else handleRemoved(key, removed.data, 'replaced');
    return true;
  };

  const endSealedBy: Sessions['endSealedBy'] = async (secrets) => {
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
  };

  const logDroppedTokens = (key: string) => {
    metrics.refreshConflict();
    log.error({ session: key }, 'another write of the session came first; dropped new tokens');
  };

  const bySubject = createSessionsBySubject({ store, end, maxPerUser: deps.maxPerUser, clock });

  return {
    peek,

    async touch(...cookie) {
      const reading = await peek(...cookie);
      if (reading.kind === 'live') extendIdleLimit(reading.session);
      return reading;
    },

    load: (...cookie) => findByCookie(cookie, pendingWrites.get, store.loadRecord),

    async loadByKey(key) {
      const record = pendingWrites.get(key) ?? (await store.loadForRefresh(key));
      return record === undefined || isOutdated(record.data, store.generation()) ? undefined : record;
    },

    async start(signIn, { beganAtMs = signIn.sentAtMs, replaces = [], stepUp } = {}) {
      const now = clock();
      const absoluteExpiresAtMs = Math.min(now + deps.absoluteTimeout, claimedEndMs(signIn.claims));
      const { key, keyId, setCookie } = await tickets.issue(absoluteExpiresAtMs - now);
      const data: SessionData = {
        issuer: signIn.issuer,
        subject: signIn.subject,
        providerSessionId: signIn.providerSessionId,
        signedInAtSeconds: Number.isFinite(signIn.claims['iat']) ? Number(signIn.claims['iat']) : undefined,
        claims: signIn.claims,
        userinfo: signIn.userinfo,
        tokens: createTokenSet(signIn.tokenResponse, signIn.sentAtMs),
        flow: signIn.flow,
        ticketKeyId: keyId,
        steppedUp: stepUp?.brought,
        createdAtMs: now,
        absoluteExpiresAtMs,
      };
      if (sessionEndsAtMs(data) <= now)
        throw loginRefused('the provider reports that the session has already ended ("session_expiry")');
      await store.create(key, data, now + idleTimeout);
      // SECURITY: checked once the index lists the session, and before the browser has its ticket.
      if (await bySubject.isSignInRefused(data, beganAtMs)) {
        await store.remove(key);
        throw loginRefused('the provider ended this session during the sign-in; sign in again');
      }
      metrics.sessionStarted();
      log.info({ session: key }, 'session started');
      const replaced = new Set<string>();
      for (const earlierKey of replaces) if (await replaceWith(data, earlierKey)) replaced.add(earlierKey);
      // SECURITY: a sign-out, or the step-up of another tab, came first.
      if (stepUp !== undefined && !replaced.has(stepUp.from)) {
        await remove(key);
        throw stepUpExpired('the session that this step-up began in has ended');
      }
      await bySubject.enforceLimit(data);
      return { key, setCookie };
    },

    async replace(old, data) {
      const record = sessionRecord({ ...old, data, version: old.version + 1 });
      if (isOutdated(data, store.generation())) return { result: 'gone', record, saved: Promise.resolve() };
      try {
        const result = await store.replace(old.key, data, old.version);
        if (result === 'replaced') cache.put(sessionView(record));
        else cache.drop(old.key);
        if (result === 'conflict') logDroppedTokens(old.key);
        return { result, record, saved: Promise.resolve() };
      } catch {
        const saved = pendingWrites.add(record, old.version).then((result) => {
          cache.drop(old.key);
          if (result === 'gone') revoke(data.tokens.refreshToken);
          if (result === 'conflict') logDroppedTokens(old.key);
        });
        return { result: 'replaced', record, saved: deps.backgroundTasks.track(saved) };
      }
    },

    async update(old, data) {
      await store.replace(old.key, data, old.version, 'unless_marked');
      cache.drop(old.key);
    },

    markSpend: store.markSpend,
    unmarkSpend: (key, owner) => store.unmarkSpend(key, owner).catch(() => undefined),

    revoke,
    async settle() {
      await deps.backgroundTasks.settle();
      await revocations.settle();
    },

    end,
    endSealedBy,
    list: bySubject.list,
    find: bySubject.find,
    endOf: bySubject.endOf,
    endSignInsOf: bySubject.endSignInsOf,
    endAll: store.beginGeneration,
    clearCookie: tickets.clear,
  };
}
