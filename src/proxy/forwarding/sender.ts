import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { Tracing } from '../../observability/tracing/tracing.ts';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { RequestBody } from '../request/body.ts';
import { createRequestHeaderPolicy } from '../request/headers.ts';
import type { EventStreams } from '../response/event-streams.ts';
import { createResponseHeaderPolicy, createResponseTrailerPolicy } from '../response/headers.ts';
import { createResponseWriter, type ResponseWriterPolicy } from '../response/writer.ts';
import { forEachRoute, forEachServer, type Route, type Routes, type UpstreamServer } from '../routes.ts';
import type { Caller } from '../tokens/caller.ts';
import type { Authorizations } from '../upstream/authorization.ts';
import { forward, type ForwardResult, type Inspect } from '../upstream/call.ts';
import type { RouteSlots } from '../upstream/connection-slots.ts';
import { isConnectionFailure } from '../upstream/errors.ts';
import type { OutgoingRequest } from '../upstream/http1/exchange.ts';
import type { NonceRepetition } from '../upstream/nonce-repetition.ts';
import type { Upstreams } from '../upstream/pools.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import type { RouteServers } from '../upstream/server-selection.ts';

/** A request that has passed every check. */
export type AdmittedRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: RequestContext;
  readonly route: Route;
  /** Who calls, as header fields of the route's `identity`. */
  readonly identity: readonly string[] | undefined;
  readonly body: RequestBody;
};

/** What is sent in one attempt, and who looks at its response. */
export type Attempt = [
  admitted: AdmittedRequest,
  caller: Caller | undefined,
  body: OutgoingRequest['body'],
  inspect: Inspect,
  repetition: NonceRepetition | undefined,
];

/** Sends one attempt to a server of its route, and its response to the browser unless `inspect` discards it. */
export type Send = (attempt: Attempt) => Promise<ForwardResult>;

export type SenderDeps = {
  routes: Routes;
  upstreams: Upstreams;
  servers: RouteServers;
  slots: RouteSlots;
  authorizations: Authorizations;
  metrics: Metrics;
  tracing: Tracing | undefined;
  writeBatch: WriteBatch;
  eventStreams: EventStreams;
  baseUrl: string;
};

const discard = Promise.resolve('discard' as const);

/**
 * Sends attempts: to the first server that can be connected to, and once more if the upstream asks for a nonce in the proof of a
 * bound token.
 */
export function createSender(deps: SenderDeps): Send {
  const { upstreams, servers, slots, metrics, tracing, writeBatch } = deps;
  const routeContextOf = forEachRoute(deps.routes.all, (route) => createRouteContext(route, deps));

  return (attempt) => {
    const [, , , , repetition] = attempt;
    return repetition === undefined ? callRoute(attempt) : callWithNonce(attempt, repetition);
  };

  async function callWithNonce(attempt: Attempt, repetition: NonceRepetition): Promise<ForwardResult> {
    const [admitted, caller, , inspect] = attempt;
    const result = await callRoute(attempt);
    const origin = result === 'discarded' ? repetition.begin() : undefined;
    if (origin === undefined) return result;
    metrics.upstream401('replayed');
    // The nonce is of that server only.
    const server = admitted.route.servers.find((each) => each.origin === origin);
    return callRoute([admitted, caller, admitted.body.again() ?? null, inspect, repetition], server);
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

  function callRoute(attempt: Attempt, preferred?: UpstreamServer): Promise<ForwardResult> {
    const [{ route }] = attempt;
    const [first, ...others] = route.servers;
    return others.length === 0 ? callServer(first, attempt) : callAnyServer(attempt, new Set(), preferred);
  }

  /** Calls one server, and another one when it accepts no connection: nothing of the request has reached it then. */
  async function callAnyServer(
    attempt: Attempt,
    tried: Set<UpstreamServer>,
    preferred?: UpstreamServer,
  ): Promise<ForwardResult> {
    const [{ route, response }] = attempt;
    const selection = servers(route);
    const server = preferred ?? selection.next(tried) ?? route.servers[0];
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
      pool: () => upstreams.of(route, server),
      request: routeContext.requestOf(admitted, server, { caller, repetition, body, traceparent }),
      ...(onConnected !== undefined && { onConnected }),
      response,
      writer: createResponseWriter(
        response,
        routeContext.writerPolicyOf(context.tokenIssuer),
        context.requestId,
        writeBatch,
      ),
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

/** The parts of a call that are the same for all requests of a route. */
function createRouteContext(route: Route, { baseUrl, eventStreams, authorizations }: SenderDeps) {
  const { identityFields } = route;
  const requestHeadersFor = forEachServer(route, ({ host }) =>
    createRequestHeaderPolicy(route.config, { host, baseUrl, identityFields }),
  );
  const { connections, timeout } = route.config;
  const usual: ResponseWriterPolicy = {
    headers: createResponseHeaderPolicy(route.config),
    mayTrail: createResponseTrailerPolicy(route.config),
    idleMs: timeout.idle,
    eventStreams: followedFor(undefined),
  };
  function followedFor(tokenIssuer: string | undefined): ResponseWriterPolicy['eventStreams'] {
    return {
      follow(response, contentType) {
        const [path = ''] = (response.req.url ?? '').split('?', 1);
        eventStreams.follow(response, contentType, { route: route.config, path, tokenIssuer });
      },
    };
  }
  return {
    writerPolicyOf: (tokenIssuer: string | undefined): ResponseWriterPolicy =>
      tokenIssuer === undefined ? usual : { ...usual, eventStreams: followedFor(tokenIssuer) },
    requestOf(
      { request, context, identity }: AdmittedRequest,
      server: UpstreamServer,
      sent: {
        caller: Caller | undefined;
        repetition: NonceRepetition | undefined;
        body: OutgoingRequest['body'];
        traceparent: string | undefined;
      },
    ): OutgoingRequest {
      const { target, clientAddress, requestId } = context;
      const { caller, repetition, body, traceparent } = sent;
      const { origin } = server;
      const path = route.upstreamPath(target.path);
      const method = request.method ?? 'GET';
      const credential =
        caller && authorizations.of(caller, { method, origin, path, nonce: repetition?.takeNonce(origin) });
      return {
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
      };
    },
  };
}
