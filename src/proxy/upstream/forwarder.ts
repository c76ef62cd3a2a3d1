import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StepUpRequirement } from '../../errors.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { BreakerState } from '../../observability/metrics/services.ts';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { TokenRefresher } from '../../refresh/token-refresher.ts';
import type { AccessChecks, Identities } from '../access-checks.ts';
import type { RequestBody } from '../request/body.ts';
import { createRequestHeaderPolicy } from '../request/headers.ts';
import type { EventStreams } from '../response/event-streams.ts';
import { createResponseHeaderPolicy, createResponseTrailerPolicy } from '../response/headers.ts';
import { createResponseWriter, type ResponseWriterPolicy } from '../response/writer.ts';
import { isOfRoute, mayStepUp, type Caller, type TokenRenewal } from '../tokens/caller.ts';
import { forEachRoute, forEachServer, type Route, type Routes, type UpstreamServer } from '../routes.ts';
import { forward, type ForwardResult, type Inspect, type UpstreamCall } from './call.ts';
import type { RouteSlots } from './connection-slots.ts';
import { isConnectionFailure, isStaleConnection } from './errors.ts';
import { createNonceRepetition, type NonceRepetition } from './nonce-repetition.ts';
import type { Upstreams } from './pools.ts';
import { createRefusalBreaker, type RefusalAttempt } from './refusal-breaker.ts';
import type { ResponseHead } from './response-head.ts';
import type { RouteServers } from './server-selection.ts';
import type { Tracing } from '../../observability/tracing/tracing.ts';
import type { Authorizations } from './authorization.ts';
import { upstreamRequiresStepUp, type ActionOn, type ChallengeAction } from './challenge-action.ts';

/** A request that has passed every check. */
export type AdmittedRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: RequestContext;
  readonly route: Route;
  /** Who calls, as header fields: see {@link Identities}. */
  readonly identity: readonly string[] | undefined;
  readonly body: RequestBody;
};

/** Sends requests to their upstream and the responses back. */
export type Forwarder = {
  /** Settles when the browser has its response, or has disconnected. Rejects without a response of the upstream. */
  forward(admitted: AdmittedRequest, caller: Caller | undefined): Promise<void>;
  /** The breaker of each route, for metrics. */
  breakers(): readonly BreakerState[];
};

type ForwarderDeps = {
  routes: Routes;
  upstreams: Upstreams;
  servers: RouteServers;
  slots: RouteSlots;
  refresher: TokenRefresher;
  accessChecks: AccessChecks;
  identities: Identities;
  actionOn: ActionOn;
  authorizations: Authorizations;
  metrics: Metrics;
  tracing: Tracing | undefined;
  writeBatch: WriteBatch;
  eventStreams: EventStreams;
  baseUrl: string;
  clock: () => number;
  log: Logger;
};

/** What is sent in one attempt, and who looks at its response. */
type Attempt = [
  admitted: AdmittedRequest,
  caller: Caller | undefined,
  body: UpstreamCall['body'],
  inspect: Inspect,
  repetition: NonceRepetition | undefined,
];

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

const discard = Promise.resolve('discard' as const);

/** Methods that may be repeated on a new connection when the first one was stale (RFC 9110, section 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * Forwards each request once, with at most one replay: after a 401 that requires another token it is sent again with a refreshed
 * one, if the whole request can be repeated. A request with a bound token is sent once more if the upstream asks for a nonce.
 */
export function createForwarder(deps: ForwarderDeps): Forwarder {
  const {
    upstreams,
    servers,
    slots,
    refresher,
    accessChecks,
    identities,
    actionOn,
    authorizations,
    metrics,
    tracing,
    writeBatch,
  } = deps;
  const breakerOf = forEachRoute(deps.routes.all, ({ config }) =>
    createRefusalBreaker({ route: config.path, clock: deps.clock, log: deps.log }),
  );
  const routeContextOf = forEachRoute(deps.routes.all, (route) => createRouteContext(route, deps));

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
        const { route } = admitted;
        const { session } = refreshed.caller;
        replay.set(refreshed);
        if (session !== undefined) {
          accessChecks(route)?.check(session);
          const identity = await identities(route)?.(session);
          if (identity !== undefined) replay.set({ ...refreshed, identity });
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
          attempt.cancel();
          if (isRepeatable) throw error;
          return undefined;
        });
    if (refreshed !== undefined && isRepeatable) return { caller: refreshed, attempt };
    // Too large for a replay: the browser gets this 401 once the new token is available for the next call.
    attempt.cancel();
    return undefined;
  }

  function askForStepUp(requirement: StepUpRequirement, { audience }: Route): Promise<never> {
    metrics.upstream401('step_up');
    return Promise.reject(upstreamRequiresStepUp(requirement, audience));
  }

  function call(attempt: Attempt): Promise<ForwardResult> {
    const [, , , , repetition] = attempt;
    return repetition === undefined ? callRoute(attempt) : callWithNonce(attempt, repetition);
  }

  async function callWithNonce(attempt: Attempt, repetition: NonceRepetition): Promise<ForwardResult> {
    const [admitted, caller, , inspect] = attempt;
    const result = await callRoute(attempt);
    if (result !== 'discarded' || !repetition.begin()) return result;
    metrics.upstream401('replayed');
    return callRoute([admitted, caller, admitted.body.again() ?? null, inspect, repetition]);
  }

  /** Inspects a response to a bound token. One that asks for a nonce says nothing about the token. */
  function inspectBound(
    head: ResponseHead,
    origin: string,
    repetition: NonceRepetition,
    inspect: Inspect,
  ): ReturnType<Inspect> {
    switch (repetition.actionOn(head, origin)) {
      case 'repeat':
        return discard;
      case 'pass':
        metrics.upstream401('passed');
        return undefined;
      case undefined:
        return inspect(head);
    }
  }

  function callRoute(attempt: Attempt): Promise<ForwardResult> {
    const [{ route }] = attempt;
    const [first, ...others] = route.servers;
    return others.length === 0 ? callServer(first, attempt) : callAnyServer(attempt, new Set());
  }

  /** Calls one server, and another one when it cannot be connected to: nothing of the request has reached it then. */
  async function callAnyServer(attempt: Attempt, tried: Set<UpstreamServer>): Promise<ForwardResult> {
    const [{ route, response }] = attempt;
    const selection = servers(route);
    const server = selection.next(tried) ?? route.servers[0];
    let isConnected = false;
    try {
      return await callServer(server, attempt, () => {
        isConnected = true;
        selection.reached(server);
      });
    } catch (error) {
      if (isConnected || !isConnectionFailure(error)) throw error;
      selection.failed(server);
      tried.add(server);
      if (tried.size === route.servers.length || response.destroyed) throw error;
      return callAnyServer(attempt, tried);
    }
  }

  function callServer(
    server: UpstreamServer,
    attempt: Attempt,
    onConnected?: () => void,
  ): Promise<ForwardResult> {
    if (tracing === undefined) return sendTo(server, attempt, undefined, onConnected);
    const [{ request, context, route }] = attempt;
    return tracing.span('upstream', 'client', (span) => {
      span?.set({
        'http.request.method': request.method ?? '',
        'http.route': route.config.path,
        'server.address': new URL(server.origin).hostname,
      });
      return sendTo(server, attempt, span?.traceparent ?? context.trace?.traceparent, onConnected);
    });
  }

  function sendTo(
    server: UpstreamServer,
    [admitted, caller, body, inspect, repetition]: Attempt,
    traceparent: string | undefined,
    onConnected?: () => void,
  ): Promise<ForwardResult> {
    const { response, context, route } = admitted;
    const routeContext = routeContextOf(route);
    const startedAtMs = performance.now();
    return forward({
      dispatcher: () => upstreams.of(route, server),
      call: routeContext.callOf(admitted, server, { caller, repetition, body, traceparent }),
      ...(onConnected !== undefined && { onConnected }),
      response,
      writer: createResponseWriter(response, routeContext.writerPolicy, context.requestId, writeBatch),
      inspect(head) {
        metrics.upstreamResponse(route.config.path, (performance.now() - startedAtMs) / 1000);
        return repetition === undefined
          ? inspect(head)
          : inspectBound(head, server.origin, repetition, inspect);
      },
      slots: slots(route),
      writeBatch,
    });
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

/** The parts of a call that are the same for all requests of a route. */
function createRouteContext(route: Route, { baseUrl, eventStreams, authorizations }: ForwarderDeps) {
  const requestHeadersFor = forEachServer(route, ({ host }) =>
    createRequestHeaderPolicy(route.config, { host, baseUrl }),
  );
  const { connections, timeout } = route.config;
  const writerPolicy: ResponseWriterPolicy = {
    headers: createResponseHeaderPolicy(route.config),
    mayTrail: createResponseTrailerPolicy(route.config),
    idleMs: timeout.idle,
    eventStreams: {
      follow(response, contentType) {
        const [path = ''] = (response.req.url ?? '').split('?', 1);
        eventStreams.follow(response, contentType, { route: route.config, path });
      },
    },
  };
  return {
    writerPolicy,
    callOf(
      { request, context, identity }: AdmittedRequest,
      server: UpstreamServer,
      sent: {
        caller: Caller | undefined;
        repetition: NonceRepetition | undefined;
        body: UpstreamCall['body'];
        traceparent: string | undefined;
      },
    ): UpstreamCall {
      const { target, clientAddress, requestId } = context;
      const { caller, repetition, body, traceparent } = sent;
      const { origin } = server;
      const path = route.upstreamPath(target.path);
      const method = request.method ?? 'GET';
      const credential =
        caller && authorizations.of(caller, { method, origin, path, nonce: repetition?.takeNonce(origin) });
      return {
        origin,
        path: path + target.query,
        method,
        headers: requestHeadersFor(server)(request.rawHeaders, {
          credential,
          identity,
          clientAddress,
          requestId,
          traceparent,
        }),
        body,
        // SECURITY: an upstream that leaves a body unread parses the rest of it as the next request on its connection.
        reset: body !== null && connections.reuse === 'bodiless',
        headersTimeout: timeout.headers,
        bodyTimeout: timeout.idle,
        connectTimeout: timeout.connect,
      };
    },
  };
}
