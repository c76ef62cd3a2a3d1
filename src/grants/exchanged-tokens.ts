import { createBoundedMap } from '../concurrency/bounded-map.ts';
import type { SingleFlight } from '../concurrency/single-flight.ts';
import type { TaskTracker } from '../concurrency/task-tracker.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';
import type { ExchangeRequest, GrantOutcome, TokenGrants } from '../provider/grants/token-grants.ts';
import type { Locks } from '../redis/lock/locks.ts';
import type { Credential } from '../refresh/credential.ts';
import { createIssuerCheck } from '../refresh/issuer-check.ts';
import { expired, sessionOrThrow, unavailableFor, type RefreshResult } from '../refresh/refresh-result.ts';
import type { RefreshSuppression } from '../refresh/refresh-suppression.ts';
import { accessTokenOf, credentialOf, refreshKey } from '../refresh/credential.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import type { Sessions } from '../sessions/service.ts';
import { sessionRecord, type SessionRecord, type SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import { freshnessOf, type Ahead, type Freshness } from '../tokens/freshness.ts';
import { createAccessToken, type AccessToken } from '../tokens/token-set.ts';
import { grantUnavailable, REFUSED_MS, type GrantCall } from './grant-call.ts';

/** The token of a route that the provider issues for the user's. A session keeps it under the id of its audience. */
export type ExchangeTarget = Audience &
  Pick<ExchangeRequest, 'audience' | 'tokenType'> & {
    /** The audience of the user's token. */
    readonly subject: Audience;
    /** The token of the party that acts for the user, if it is sent. */
    readonly actorToken: (() => Promise<string>) | undefined;
  };

/** Tokens by token exchange (RFC 8693), kept in the session. */
export type ExchangedTokens = {
  /**
   * A token that may be sent now. One that expires soon, or that belongs to an older token of the user, is replaced in the
   * background; a missing or expired one is waited for. Throws as {@link TokenRefresher.fresh}, and `token_exchange_refused`.
   */
  fresh(session: SessionView, target: ExchangeTarget): Promise<Credential>;
  /** Another token than the one an upstream rejected, or undefined when there is none. Throws as `fresh`. */
  afterRefusal(rejected: Credential, target: ExchangeTarget, route: string): Promise<Credential | undefined>;
  /** Reports that the upstream of `route` rejected a new token, too: it is not exchanged again for that route. */
  refusedAgain(rejected: Credential, route: string): void;
};

/** How many refusals a process remembers. */
const MAX_REFUSALS = 10_000;

export function createExchangedTokens(deps: {
  /** The issuer of the provider. */
  issuer: string;
  sessions: Sessions;
  refresher: TokenRefresher;
  grants: TokenGrants;
  callGrant: GrantCall;
  pauseMs: () => number;
  locks: Locks;
  suppression: RefreshSuppression;
  /** The single-flight of refreshes: the ids of exchanges differ from those of other audiences. */
  refreshes: SingleFlight<RefreshResult>;
  backgroundTasks: TaskTracker;
  ahead: Ahead;
  lockWaitMs: number;
  /** The longest wait of a request, in milliseconds; the exchange continues. */
  waitMs: number;
  clock: () => number;
  log: Logger;
}): ExchangedTokens {
  const { sessions, refresher, grants, callGrant, locks, suppression, refreshes, clock, log } = deps;
  const endIfOfOtherIssuer = createIssuerCheck(deps);
  const refusals = createBoundedMap<string, { readonly untilMs: number; readonly error: GatewayError }>({
    maxEntries: MAX_REFUSALS,
    isExpired: ({ untilMs }) => untilMs <= clock(),
  });

  const freshness = ({ data }: SessionView, { id, subject }: ExchangeTarget): Freshness => {
    const token = data.tokens.access[id];
    if (token === undefined) return 'expired';
    const own = freshnessOf(token, clock(), deps.ahead);
    const subjectToken = data.tokens.access[subject.id];
    const isOlder = subjectToken !== undefined && token.obtainedAtMs < subjectToken.obtainedAtMs;
    return own === 'fresh' && isOlder ? 'expiring' : own;
  };

  /** An exchange of a token that is about to be refreshed would have to be repeated. */
  const mayExchangeAhead = (session: SessionView, target: ExchangeTarget) => {
    const subjectToken = session.data.tokens.access[target.subject.id];
    const key = refreshKey(session, target);
    return (
      subjectToken !== undefined &&
      freshnessOf(subjectToken, clock(), deps.ahead) === 'fresh' &&
      !refreshes.isRunning(key) &&
      !refusals.has(key) &&
      deps.pauseMs() === 0
    );
  };

  const exchange = (session: SessionView, target: ExchangeTarget, rejected?: string) =>
    refreshes.run(refreshKey(session, target), () =>
      exchangeUnderLock(session, target, rejected).catch(unavailableFor),
    );
  const waitFor = async (session: SessionView, target: ExchangeTarget, rejected?: string) => {
    const result = await exchange(session, target, rejected).waitFor(deps.waitMs);
    return result ?? unavailableFor(grantUnavailable());
  };

  /** Under the lock of the session, as every write of a record; so other processes do not exchange the same token. */
  const exchangeUnderLock = async (
    session: SessionView,
    target: ExchangeTarget,
    rejected: string | undefined,
  ): Promise<RefreshResult> => {
    const lease = await locks.acquire(session.key, Date.now() + deps.lockWaitMs);
    if (lease === undefined) return unavailableFor(grantUnavailable());
    try {
      const record = await sessions.loadByKey(session.key);
      if (record === undefined || (await endIfOfOtherIssuer(record))) return expired(undefined);
      const found = accessTokenOf(record, target);
      if (found !== undefined && found !== rejected && freshness(record, target) === 'fresh')
        return { kind: 'refreshed', outcome: undefined, session: sessions.viewOf(record) };
      const subjectToken = record.data.tokens.access[target.subject.id];
      if (subjectToken === undefined) return unavailableFor(grantUnavailable());
      const { audience, scopes, resources, tokenType } = target;
      const actorToken = await target.actorToken?.();
      const outcome = await callGrant('exchange', () =>
        grants.exchange({
          audience,
          scopes,
          resources,
          tokenType,
          subjectToken: subjectToken.value,
          actorToken,
          dpopKey: record.data.dpopKey,
        }),
      );
      if (outcome.kind !== 'issued') return unavailableFor(errorOf(session, target, outcome));
      const saved = await save(record, target, boundTo(subjectToken, createAccessToken(outcome)));
      return { kind: 'refreshed', outcome: undefined, session: sessions.viewOf(saved) };
    } finally {
      void deps.backgroundTasks.track(lease.release());
    }
  };

  const save = async (
    record: SessionRecord,
    { id }: Audience,
    token: AccessToken,
  ): Promise<SessionRecord> => {
    const { tokens } = record.data;
    const data = { ...record.data, tokens: { ...tokens, access: { ...tokens.access, [id]: token } } };
    await sessions.update(record, data);
    return sessionRecord({ ...record, data, version: record.version + 1 });
  };

  const errorOf = (
    session: SessionView,
    target: ExchangeTarget,
    outcome: Exclude<GrantOutcome, { kind: 'issued' }>,
  ): GatewayError => {
    if (outcome.kind === 'unavailable') return grantUnavailable(outcome.retryAfterSeconds, outcome.cause);
    const { audience, scopes, resources } = target;
    log.warn(
      {
        session: session.key,
        error: outcome.kind === 'refused' ? outcome.error : 'the response has no usable access token',
        audience,
        scopes,
        resources,
        err: outcome.cause,
      },
      'the provider refuses to exchange the token of a session',
    );
    const error =
      outcome.kind === 'refused'
        ? new GatewayError('token_exchange_refused', {
            detail: 'The identity provider does not issue a token for this API.',
            cause: outcome.cause,
          })
        : new GatewayError('provider_invalid_response', {
            detail: 'The identity provider returned no usable access token for this API.',
            cause: outcome.cause,
          });
    refusals.set(refreshKey(session, target), { untilMs: clock() + REFUSED_MS, error });
    return error;
  };

  return {
    async fresh(session, target) {
      const { session: current } = await refresher.fresh(session, target.subject);
      const state = freshness(current, target);
      if (state === 'fresh') return credentialOf(current, target);
      if (state === 'expiring') {
        if (mayExchangeAhead(current, target)) void exchange(current, target);
        return credentialOf(current, target);
      }
      const refusal = refusals.get(refreshKey(current, target));
      if (refusal !== undefined) throw refusal.error;
      return credentialOf(sessionOrThrow(await waitFor(current, target)), target);
    },

    async afterRefusal(rejected, target, route) {
      const { session, accessToken } = rejected;
      const isUseless = suppression.wasRejected(rejected, route) || refusals.has(refreshKey(session, target));
      if (isUseless) return undefined;
      const current = await refresher.fresh(session, target.subject);
      const result = await waitFor(current.session, target, accessToken);
      // The upstream's own 401 says more than that.
      if (result.kind === 'unavailable' && result.error.status === 502) return undefined;
      const renewed = credentialOf(sessionOrThrow(result), target);
      return renewed.accessToken === accessToken ? undefined : renewed;
    },

    refusedAgain(rejected, route) {
      if (suppression.wasRejected(rejected, route)) return;
      void deps.backgroundTasks.track(suppression.rejectedByUpstream(rejected, route));
    },
  };
}

/** A token that ends with the token that it was issued for, and is not older than it, whatever the clocks of the processes say. */
function boundTo(subject: AccessToken, token: AccessToken): AccessToken {
  const ends = [token.expiresAtMs, subject.expiresAtMs].filter((end) => end !== undefined);
  return {
    ...token,
    obtainedAtMs: Math.max(token.obtainedAtMs, subject.obtainedAtMs),
    expiresAtMs: ends.length === 0 ? undefined : Math.min(...ends),
  };
}
