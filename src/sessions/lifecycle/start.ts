import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { loginRefused, stepUpExpired } from '../../provider/login-failure.ts';
import type { SignIn } from '../../provider/provider.ts';
import { createTokenSet, type KeptRefreshToken } from '../../tokens/token-set.ts';
import type { SessionsBySubject } from '../by-subject.ts';
import { claimedEndMs, sessionEndsAtMs, type SessionData } from '../session.ts';
import type { SteppedUp } from '../step-up-requirement.ts';
import type { SessionStore } from '../store/store.ts';
import type { Tickets } from '../ticket.ts';
import type { SessionEnding } from './ending.ts';
import type { ReplacedSessions } from './replaced-sessions.ts';

/** The circumstances of a sign-in. */
export type SignInOrigin = {
  /** When the sign-in began (epoch ms); by default when its token request was sent. */
  readonly beganAtMs?: number | undefined;
  /** The keys of earlier sessions, which the new session ends. */
  readonly replaces?: Iterable<string>;
  /** Of a step-up: what the sign-in has brought, and the key of the session it began in, which must not have ended since. */
  readonly stepUp?:
    | {
        readonly brought: SteppedUp;
        readonly from: string;
        /** The tokens of that session, if their refresh token stays in use where the sign-in brings none. */
        readonly keeps?: KeptRefreshToken | undefined;
      }
    | undefined;
};

/**
 * Starts a session with a new ticket. Throws `login_failed` if a logout has ended the owner's pending sign-ins since this one
 * began. The caller revokes the refresh token if this throws.
 */
export type SessionStart = (
  signIn: SignIn,
  origin?: SignInOrigin,
) => Promise<{ key: string; setCookie: string }>;

export function createSessionStart(deps: {
  store: SessionStore;
  tickets: Tickets;
  ending: SessionEnding;
  bySubject: SessionsBySubject;
  replacedSessions: ReplacedSessions;
  idleTimeout: number;
  absoluteTimeout: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): SessionStart {
  const { store, tickets, ending, bySubject, replacedSessions, clock, log, metrics } = deps;

  return async (signIn, { beganAtMs = signIn.sentAtMs, replaces = [], stepUp } = {}) => {
    const predecessors = [...replaces];
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
      tokens: createTokenSet(signIn.tokenResponse, signIn.sentAtMs, stepUp?.keeps),
      dpopKey: signIn.dpopKey,
      flow: signIn.flow,
      ticketKeyId: keyId,
      steppedUp: stepUp?.brought,
      createdAtMs: now,
      absoluteExpiresAtMs,
    };
    if (sessionEndsAtMs(data) <= now)
      throw loginRefused('the provider reports that the session has already ended ("session_expiry")');
    let isRefused = false;
    let mayExceedLimit = false;
    await store.create(key, data, now + deps.idleTimeout, predecessors, async () => {
      [isRefused, mayExceedLimit] = await Promise.all([
        // SECURITY: checked once the index lists the session, and before the browser has its ticket.
        bySubject.isSignInRefused(data, beganAtMs),
        // Counts the sessions that this one replaces as well.
        bySubject.exceedsLimit(data),
      ]);
    });
    if (isRefused) {
      await store.remove(key);
      throw loginRefused('the provider ended this session during the sign-in; sign in again');
    }
    const replaced = new Set<string>();
    for (const earlierKey of predecessors) {
      await replacedSessions.add(earlierKey);
      if (await ending.replaceWith(data, earlierKey)) replaced.add(earlierKey);
    }
    // SECURITY: a sign-out, or the step-up of another tab, came first.
    if (stepUp !== undefined && !replaced.has(stepUp.from)) {
      await ending.remove(key);
      throw stepUpExpired('the session that this step-up began in has ended');
    }
    metrics.sessionStarted();
    // Its idle limit is new, so that no request extends it in the first minute.
    metrics.sessionUsed(Infinity);
    log.info({ session: key }, 'session started');
    if (mayExceedLimit) await bySubject.enforceLimit(data);
    return { key, setCookie };
  };
}
