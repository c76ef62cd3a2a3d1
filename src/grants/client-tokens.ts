import type { SingleFlight } from '../concurrency/single-flight.ts';
import type { TaskTracker } from '../concurrency/task-tracker.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';
import type { GrantOutcome, TokenGrants, TokenTarget } from '../provider/grants/token-grants.ts';
import type { Lease, Locks } from '../redis/lock/locks.ts';
import { freshnessOf, type Ahead } from '../tokens/freshness.ts';
import { createAccessToken } from '../tokens/token-set.ts';
import { grantUnavailable, REFUSED_MS, type GrantCall } from './grant-call.ts';
import type { ClientToken, SharedTokens } from './shared-tokens.ts';

/** A token target with a name that no other target has. */
export type NamedTarget = TokenTarget & { readonly id: string };

/** The access tokens of the gateway itself, by client credentials (RFC 6749, section 4.4). No data of a session is in them. */
export type ClientTokens = {
  /**
   * A token that may be sent now. An expiring one is renewed in the background; a missing or expired one is waited for.
   * Throws `provider_unavailable`.
   */
  fresh(target: NamedTarget): Promise<ClientToken>;
  /**
   * Another token than the one an upstream rejected, or undefined when that was rejected right after its renewal, too. Throws
   * as `fresh`.
   */
  afterRefusal(target: NamedTarget, rejected: string, route: string): Promise<ClientToken | undefined>;
  /** Reports that the upstream of `route` rejected a renewed token, which is not renewed again for it. */
  refusedAgain(rejected: string, route: string): void;
};

/** The result of a renewal, for all who wait for it. */
export type Renewal = { readonly token: ClientToken } | { readonly error: GatewayError };

/** How long a token without a lifetime is shared, in milliseconds. */
const UNKNOWN_LIFETIME_MS = 3_600_000;

/**
 * Each process remembers its tokens, and all share them in Redis: one holder of a lock renews a token, and the others take it
 * from there. While Redis is away, each process has its own.
 */
export function createClientTokens(deps: {
  grants: TokenGrants;
  callGrant: GrantCall;
  /** How long the circuit breaker keeps callers away, in milliseconds. */
  pauseMs: () => number;
  sharedTokens: SharedTokens;
  locks: Locks;
  renewals: SingleFlight<Renewal>;
  backgroundTasks: TaskTracker;
  ahead: Ahead;
  lockWaitMs: number;
  /** The longest wait of a request, in milliseconds; the renewal continues. */
  waitMs: number;
  clock: () => number;
  log: Logger;
}): ClientTokens {
  const { grants, callGrant, sharedTokens, locks, renewals, backgroundTasks, clock, log } = deps;
  /** The targets come from the configuration, so neither map needs a limit. */
  const tokens = new Map<string, ClientToken>();
  const refusals = new Map<string, { readonly untilMs: number; readonly error: GatewayError }>();
  /** The token that each route has rejected right after its renewal. */
  const rejectedByRoute = new Map<string, string>();

  const freshness = (token: ClientToken) => freshnessOf(token, clock(), deps.ahead);
  const refusalOf = ({ id }: NamedTarget) => {
    const refusal = refusals.get(id);
    return refusal !== undefined && refusal.untilMs > clock() ? refusal : undefined;
  };

  const renew = (target: NamedTarget, rejected?: string) =>
    renewals.run(target.id, () => renewUnderLock(target, rejected).catch(failed));
  const waitForRenewal = async (target: NamedTarget, rejected?: string): Promise<ClientToken> => {
    const renewal = await renew(target, rejected).waitFor(deps.waitMs);
    if (renewal === undefined) throw grantUnavailable();
    if ('error' in renewal) throw renewal.error;
    return renewal.token;
  };

  const renewUnderLock = async (target: NamedTarget, rejected: string | undefined): Promise<Renewal> => {
    const lease = await locks
      .acquire(`client-token:${target.id}`, Date.now() + deps.lockWaitMs)
      .catch(ownToken);
    if (lease === undefined) return { error: grantUnavailable() };
    let hasFailed = true;
    try {
      const shared = await sharedTokens.get(target.id).catch(() => undefined);
      const usable = [shared, tokens.get(target.id)].find(
        (token) => token !== undefined && token.value !== rejected && freshness(token) !== 'expired',
      );
      const renewal = await request(target, usable);
      hasFailed = 'error' in renewal;
      if (!hasFailed && 'token' in renewal) tokens.set(target.id, renewal.token);
      return renewal;
    } finally {
      void backgroundTasks.track(lease.release(hasFailed ? 'failed' : undefined));
    }
  };

  /** Asks the provider, unless another process has renewed the token; a token that may still be sent outlives a failure. */
  const request = async (target: NamedTarget, usable: ClientToken | undefined): Promise<Renewal> => {
    if (usable !== undefined && freshness(usable) === 'fresh') return { token: usable };
    const outcome = await callGrant('client', () => grants.clientCredentials(target));
    if (outcome.kind === 'issued') {
      const token = { ...createAccessToken(outcome), dpopKey: outcome.dpopKey };
      const lifetimeMs = token.expiresAtMs === undefined ? UNKNOWN_LIFETIME_MS : token.expiresAtMs - clock();
      refusals.delete(target.id);
      // Without it the other processes ask the provider themselves.
      await sharedTokens.put(target.id, token, lifetimeMs).catch(() => undefined);
      return { token };
    }
    const error = errorOf(target, outcome);
    return usable === undefined ? { error } : { token: usable };
  };

  const errorOf = (target: NamedTarget, outcome: Exclude<GrantOutcome, { kind: 'issued' }>): GatewayError => {
    if (outcome.kind === 'unavailable') return grantUnavailable(outcome.retryAfterSeconds, outcome.cause);
    const { audience, scopes, resources } = target;
    const refusal = outcome.kind === 'refused' ? outcome.error : 'the response has no usable access token';
    log.error(
      { error: refusal, audience, scopes, resources, err: outcome.cause },
      'the provider refuses a client token; check the registration of the client, and `scopes` and `resource` of the route',
    );
    const error = grantUnavailable(REFUSED_MS / 1000, outcome.cause);
    refusals.set(target.id, { untilMs: clock() + REFUSED_MS, error });
    return error;
  };

  return {
    async fresh(target) {
      const token = tokens.get(target.id);
      const state = token === undefined ? 'expired' : freshness(token);
      if (token !== undefined && state === 'fresh') return token;
      const refusal = refusalOf(target);
      if (token !== undefined && state === 'expiring') {
        const mayRenew = refusal === undefined && deps.pauseMs() === 0 && !renewals.isRunning(target.id);
        if (mayRenew) void renew(target);
        return token;
      }
      if (refusal !== undefined) throw grantUnavailable((refusal.untilMs - clock()) / 1000, refusal.error);
      return waitForRenewal(target);
    },

    async afterRefusal(target, rejected, route) {
      const current = tokens.get(target.id);
      if (current !== undefined && current.value !== rejected && freshness(current) !== 'expired')
        return current;
      if (rejectedByRoute.get(route) === rejected || refusalOf(target) !== undefined) return undefined;
      const renewed = await waitForRenewal(target, rejected);
      return renewed.value === rejected ? undefined : renewed;
    },

    refusedAgain(rejected, route) {
      rejectedByRoute.set(route, rejected);
    },
  };
}

/** Without Redis there is no lock, and none to release. */
function ownToken(): Lease {
  return { waitingSinceMs: Date.now(), isHeld: () => true, release: async () => undefined };
}

function failed(cause: unknown): Renewal {
  return { error: cause instanceof GatewayError ? cause : new GatewayError('internal_error', { cause }) };
}
