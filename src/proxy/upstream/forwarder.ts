import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StepUpRequirement } from '../../errors.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Logger } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { Credential } from '../../refresh/credential.ts';
import type { TokenRefresher } from '../../refresh/token-refresher.ts';
import type { AccessChecks } from '../access-checks.ts';
import type { RequestBody } from '../request/body.ts';
import { createRequestHeaderPolicy } from '../request/headers.ts';
import type { EventStreams } from '../response/event-streams.ts';
import { createResponseHeaderPolicy, createResponseTrailerPolicy } from '../response/headers.ts';
import { createResponseWriter, type ResponseWriterPolicy } from '../response/writer.ts';
import { forEachRoute, forEachServer, type Route, type Routes, type UpstreamServer } from '../routes.ts';
import { forward, type ForwardResult, type Inspect, type UpstreamCall } from './call.ts';
import type { RouteSlots } from './connection-slots.ts';
import { isConnectionFailure, isStaleConnection } from './errors.ts';
import { createNonceRepetition, type NonceRepetition } from './nonce-repetition.ts';
import type { Upstreams } from './pools.ts';
import { createRefusalBreaker, type RefusalAttempt } from './refusal-breaker.ts';
import type { ResponseHead } from './response-head.ts';
import type { RouteServers } from './server-selection.ts';
import type { Authorizations } from './authorization.ts';
import { upstreamRequiresStepUp, type ActionOn, type ChallengeAction } from './challenge-action.ts';

/** A request that has passed every check. */
export type AdmittedRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: RequestContext;
  readonly route: Route;
  readonly body: RequestBody;
};

/** Sends requests to their upstream and the responses back. */
export type Forwarder = {
  /** Settles when the browser has its response, or has disconnected. Rejects without a response of the upstream. */
  forward(admitted: AdmittedRequest, credential: Credential | undefined): Promise<void>;
};

type ForwarderDeps = {
  routes: Routes;
  upstreams: Upstreams;
  servers: RouteServers;
  slots: RouteSlots;
  refresher: TokenRefresher;
  accessChecks: AccessChecks;
  actionOn: ActionOn;
  authorizations: Authorizations;
  metrics: Metrics;
  writeBatch: WriteBatch;
  eventStreams: EventStreams;
  baseUrl: string;
  clock: () => number;
  log: Logger;
};

/** What is sent in one attempt, and who looks at its response. */
type Attempt = [
  admitted: AdmittedRequest,
  credential: Credential | undefined,
  body: UpstreamCall['body'],
  inspect: Inspect,
  repetition: NonceRepetition | undefined,
];

/** A token for a replay, and the attempt of the route's breaker that gets its outcome. */
type RefreshedCredential = { readonly credential: Credential; readonly attempt: RefusalAttempt };

/** The replay of one request. */
type Replay = {
  current(): RefreshedCredential | undefined;
  set(refreshed: RefreshedCredential): void;
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
    actionOn,
    authorizations,
    metrics,
    writeBatch,
  } = deps;
  const breakerOf = forEachRoute(deps.routes.all, ({ config }) =>
    createRefusalBreaker({ route: config.path, clock: deps.clock, log: deps.log }),
  );
  const routeContextOf = forEachRoute(deps.routes.all, (route) => createRouteContext(route, deps));

  return {
    async forward(admitted, credential) {
      const { request, response, route, body } = admitted;
      const replay = createReplay();
      // Only a bound token has proofs, so that nothing of this is on the path of others.
      const repetition =
        credential?.dpopKey === undefined ? undefined : createNonceRepetition(body, authorizations);
      const inspect: Inspect = (head) => {
        if (credential === undefined) return undefined;
        const action = actionOn(head);
        return action && decide(admitted, credential, action, replay);
      };
      try {
        const first = call([admitted, credential, body.content, inspect, repetition]);
        const result = await first.catch((error: unknown) => {
          const again = body.again();
          const mayRepeat =
            idempotent.has(request.method ?? '') && isStaleConnection(error) && !response.headersSent;
          if (!mayRepeat || again === undefined || response.destroyed) throw error;
          return call([admitted, credential, again, inspect, repetition]);
        });
        const refreshed = replay.current();
        if (result !== 'discarded' || refreshed === undefined) return;

        metrics.upstream401('replayed');
        const inspectReplay: Inspect = (head) => {
          const action = actionOn(head);
          if (head.status !== 401) refreshed.attempt.accepted();
          if (action?.kind === 'step_up') return askForStepUp(action.requirement, route);
          if (head.status !== 401) return undefined;
          metrics.upstream401('passed');
          refreshed.attempt.refused();
          refresher.refusedAgain(refreshed.credential, route.config.path);
          return undefined;
        };
        await call([admitted, refreshed.credential, body.again() ?? null, inspectReplay, repetition]);
      } finally {
        replay.close();
      }
    },
  };

  /** Decides on a challenge: it is passed on, or discarded because another token is available. */
  function decide(
    admitted: AdmittedRequest,
    credential: Credential,
    action: ChallengeAction,
    replay: Replay,
  ): Promise<'pass' | 'discard'> | undefined {
    if (action.kind === 'step_up') return askForStepUp(action.requirement, admitted.route);
    const refreshing = action.kind === 'refresh' ? refreshAfter401(admitted, credential) : undefined;
    if (refreshing === undefined) {
      metrics.upstream401('passed');
      return undefined;
    }
    return refreshing.then((refreshed) => {
      if (refreshed !== undefined) {
        replay.set(refreshed);
        accessChecks(admitted.route)?.check(refreshed.credential.session);
        return 'discard';
      }
      metrics.upstream401('passed');
      return 'pass';
    });
  }

  /** Returns another token than the rejected one; undefined when there is none, or when the request cannot be repeated. */
  async function refreshAfter401(
    { response, route, body }: AdmittedRequest,
    credential: Credential,
  ): Promise<RefreshedCredential | undefined> {
    const attempt = await breakerOf(route).begin(credential.session.key);
    if (attempt === undefined) return undefined;
    const isRepeatable = body.again() !== undefined;
    const refreshed = response.destroyed
      ? undefined
      : await refresher.afterRefusal(credential, route.config.path).catch((error: unknown) => {
          attempt.cancel();
          if (isRepeatable) throw error;
          return undefined;
        });
    if (refreshed !== undefined && isRepeatable) return { credential: refreshed, attempt };
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
    const [admitted, credential, , inspect] = attempt;
    const result = await callRoute(attempt);
    if (result !== 'discarded' || !repetition.begin()) return result;
    metrics.upstream401('replayed');
    return callRoute([admitted, credential, admitted.body.again() ?? null, inspect, repetition]);
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
    [admitted, credential, body, inspect, repetition]: Attempt,
    onConnected?: () => void,
  ): Promise<ForwardResult> {
    const { response, context, route } = admitted;
    const routeContext = routeContextOf(route);
    return forward({
      dispatcher: () => upstreams.of(route, server),
      call: routeContext.callOf(admitted, server, { credential, repetition, body }),
      ...(onConnected !== undefined && { onConnected }),
      response,
      writer: createResponseWriter(response, routeContext.writerPolicy, context.requestId, writeBatch),
      inspect:
        repetition === undefined ? inspect : (head) => inspectBound(head, server.origin, repetition, inspect),
      slots: slots(route),
      writeBatch,
    });
  }
}

function createReplay(): Replay {
  let current: RefreshedCredential | undefined;
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
    eventStreams,
  };
  return {
    writerPolicy,
    callOf(
      { request, context }: AdmittedRequest,
      server: UpstreamServer,
      sent: {
        credential: Credential | undefined;
        repetition: NonceRepetition | undefined;
        body: UpstreamCall['body'];
      },
    ): UpstreamCall {
      const { target, clientAddress, requestId } = context;
      const { credential: token, repetition, body } = sent;
      const { origin } = server;
      const path = route.upstreamPath(target.path);
      const method = request.method ?? 'GET';
      const credential =
        token && authorizations.of(token, { method, origin, path, nonce: repetition?.takeNonce(origin) });
      return {
        origin,
        path: path + target.query,
        method,
        headers: requestHeadersFor(server)(request.rawHeaders, { credential, clientAddress, requestId }),
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
