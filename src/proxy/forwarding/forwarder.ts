import type { StepUpRequirement } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import type { BreakerState } from '../../observability/metrics/services.ts';
import type { TokenRefresher } from '../../refresh/token-refresher.ts';
import type { AccessChecks, Identities } from '../access-checks.ts';
import { forEachRoute, type Route } from '../routes.ts';
import { isOfRoute, mayStepUp, type Caller, type TokenRenewal } from '../tokens/caller.ts';
import type { Inspect } from '../upstream/call.ts';
import { upstreamRequiresStepUp, type ActionOn, type ChallengeAction } from '../upstream/challenge-action.ts';
import { isStaleConnection } from '../upstream/errors.ts';
import { createNonceRepetition } from '../upstream/nonce-repetition.ts';
import { createRefusalBreaker, type RefusalAttempt } from '../upstream/refusal-breaker.ts';
import { createSender, type AdmittedRequest, type SenderDeps } from './sender.ts';

/** Sends requests to their upstream and the responses back. */
export type Forwarder = {
  /** Settles when the browser has its response, or has disconnected. Rejects without a response of the upstream. */
  forward(admitted: AdmittedRequest, caller: Caller | undefined): Promise<void>;
  /** The breaker of each route, for metrics. */
  breakers(): readonly BreakerState[];
};

type ForwarderDeps = SenderDeps & {
  refresher: TokenRefresher;
  accessChecks: AccessChecks;
  identities: Identities;
  actionOn: ActionOn;
  clock: () => number;
  log: Logger;
};

/** A token for a replay, and the attempt of the route's breaker that gets its outcome. */
type RefreshedCaller = {
  readonly caller: Caller;
  /** Who calls, by the claims that the refresh left. */
  readonly identity?: readonly string[] | undefined;
  readonly attempt: RefusalAttempt;
};

/** The replay of one request. */
type Replay = {
  current(): RefreshedCaller | undefined;
  set(refreshed: RefreshedCaller): void;
  /** Ends the attempt of a finished request, also one that starts later because the client left during the refresh. */
  close(): void;
};

/** Methods that may be repeated on a new connection when the first one was stale (RFC 9110, section 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * Forwards each request once, with at most one replay: after a 401 that requires another token it is sent again with a refreshed
 * one, if the whole request can be repeated. A request with a bound token is sent once more if the upstream asks for a nonce.
 */
export function createForwarder(deps: ForwarderDeps): Forwarder {
  const { refresher, accessChecks, identities, actionOn, authorizations, metrics } = deps;
  const call = createSender(deps);
  const breakerOf = forEachRoute(deps.routes.all, ({ config }) =>
    createRefusalBreaker({ route: config.path, clock: deps.clock, log: deps.log }),
  );

  return {
    breakers: () =>
      deps.routes.all.map((route) => ({
        breaker: 'upstream_401',
        route: route.config.path,
        isOpen: breakerOf(route).isOpen(),
      })),

    async forward(admitted, caller) {
      const { request, response, route, body } = admitted;
      const replay = createReplay();
      // Only a bound token has proofs, so that nothing of this is on the path of others.
      const repetition =
        caller?.dpopKey === undefined ? undefined : createNonceRepetition(body, authorizations);
      const inspect: Inspect = (head) => {
        if (caller?.accessToken === undefined) return undefined;
        const wasUndecided = breakerOf(route).decide(caller.accessToken, head.status !== 401);
        if (wasUndecided && head.status === 401) renewalOf(caller)?.refusedAgain(route.config.path);
        const action = actionOn(head);
        return action && decide(admitted, caller, action, replay);
      };
      try {
        const first = call([admitted, caller, body.content, inspect, repetition]);
        const result = await first.catch((error: unknown) => {
          const again = body.again();
          const mayRepeat =
            idempotent.has(request.method ?? '') && isStaleConnection(error) && !response.headersSent;
          if (!mayRepeat || again === undefined || response.destroyed) throw error;
          return call([admitted, caller, again, inspect, repetition]);
        });
        const refreshed = replay.current();
        if (result !== 'discarded' || refreshed === undefined) return;

        metrics.upstream401('replayed');
        const inspectReplay: Inspect = (head) => {
          const action = actionOn(head);
          if (head.status !== 401) refreshed.attempt.accepted();
          if (action?.kind === 'step_up' && mayStepUp(caller, action.requirement))
            return askForStepUp(action.requirement, route);
          if (head.status !== 401) return undefined;
          metrics.upstream401('passed');
          refreshed.attempt.refused();
          renewalOf(refreshed.caller)?.refusedAgain(route.config.path);
          return undefined;
        };
        const replayed = { ...admitted, identity: refreshed.identity };
        await call([replayed, refreshed.caller, body.again() ?? null, inspectReplay, repetition]);
      } finally {
        replay.close();
      }
    },
  };

  /** The renewal of a rejected token: the refresh of the session's own, or that of the route's. */
  function renewalOf(caller: Caller): TokenRenewal | undefined {
    if (isOfRoute(caller)) return caller.renewal;
    return {
      name: caller.session.key,
      afterRefusal: (route) => refresher.afterRefusal(caller, route),
      refusedAgain: (route) => refresher.refusedAgain(caller, route),
    };
  }

  /** Decides on a challenge: it is passed on, or discarded because another token is available. */
  function decide(
    admitted: AdmittedRequest,
    caller: Caller,
    action: ChallengeAction,
    replay: Replay,
  ): Promise<'pass' | 'discard'> | undefined {
    if (action.kind === 'step_up' && mayStepUp(caller, action.requirement))
      return askForStepUp(action.requirement, admitted.route);
    const renewal = action.kind === 'refresh' ? renewalOf(caller) : undefined;
    const refreshing = renewal && refreshAfter401(admitted, renewal);
    if (refreshing === undefined) {
      metrics.upstream401('passed');
      return undefined;
    }
    return refreshing.then(async (refreshed) => {
      if (refreshed !== undefined) {
        const { route, identity } = admitted;
        const { session } = refreshed.caller;
        replay.set({ ...refreshed, identity });
        if (session !== undefined) {
          accessChecks(route)?.check(session);
          replay.set({ ...refreshed, identity: await identities(route, refreshed.caller) });
        }
        return 'discard';
      }
      metrics.upstream401('passed');
      return 'pass';
    });
  }

  /** Returns another token than the rejected one; undefined when there is none, or when the request cannot be repeated. */
  async function refreshAfter401(
    { response, route, body }: AdmittedRequest,
    renewal: TokenRenewal,
  ): Promise<RefreshedCaller | undefined> {
    const attempt = await breakerOf(route).begin(renewal.name);
    if (attempt === undefined) return undefined;
    const isRepeatable = body.again() !== undefined;
    const refreshed = response.destroyed
      ? undefined
      : await renewal.afterRefusal(route.config.path).catch((error: unknown) => {
          // Also for a request that cannot be repeated: a bare 401 of the upstream would read as a sign-out.
          attempt.cancel();
          throw error;
        });
    if (refreshed !== undefined && isRepeatable) return { caller: refreshed, attempt };
    // Too large for a replay: the browser gets this 401 once the new token is available for the next call.
    if (refreshed?.accessToken === undefined) attempt.cancel();
    else attempt.undecided(refreshed.accessToken);
    return undefined;
  }

  function askForStepUp(requirement: StepUpRequirement, { audience }: Route): Promise<never> {
    metrics.upstream401('step_up');
    return Promise.reject(upstreamRequiresStepUp(requirement, audience));
  }
}

function createReplay(): Replay {
  let current: RefreshedCaller | undefined;
  let isClosed = false;
  return {
    current: () => current,
    set(refreshed) {
      current = refreshed;
      if (isClosed) refreshed.attempt.cancel();
    },
    close() {
      isClosed = true;
      current?.attempt.cancel();
    },
  };
}
