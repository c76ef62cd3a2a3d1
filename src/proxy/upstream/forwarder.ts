import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../errors.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { Credential } from '../../refresh/refresh-result.ts';
import type { TokenRefresher } from '../../refresh/token-refresher.ts';
import { challengeAction } from './www-authenticate.ts';
import { createResponseWriter, type ResponseWriterPolicy } from '../response/writer.ts';
import type { EventStreams } from '../response/event-streams.ts';
import { forward, type ForwardResult, type Inspect, type UpstreamCall } from './call.ts';
import { forwardWithTrailers } from './call-with-trailers.ts';
import { nominatedBy } from '../header-names.ts';
import { createConnectionSlots } from './connection-slots.ts';
import { createRequestHeaderPolicy, createRequestTrailerPolicy } from '../request/headers.ts';
import type { RequestBody } from '../request/body.ts';
import { createResponseHeaderPolicy, createResponseTrailerPolicy } from '../response/headers.ts';
import type { Route, Routes } from '../routes.ts';
import { isStaleConnection } from './errors.ts';
import type { Upstreams } from './pools.ts';

/** A request that has been let through. */
export type Forwarder = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly exchange: RequestContext;
  readonly route: Route;
  readonly body: RequestBody;
};

/** Takes requests to their upstream and the answers back. */
export type Forwarders = {
  /** Settles when the browser has its answer, or has gone. Rejects when there is none to be had from the upstream. */
  open(passage: Forwarder, credential: Credential | undefined): Promise<void>;
};

type PassageDeps = {
  routes: Routes;
  upstreams: Upstreams;
  refresher: TokenRefresher;
  metrics: Metrics;
  turn: WriteBatch;
  eventStreams: EventStreams;
  baseUrl: string;
};

/** Methods that may be sent again on a fresh connection when the first one turned out dead (RFC 9110, section 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/**
 * Passages with one second chance: on a 401 that asks for another token the request is sent once more with a renewed one,
 * provided that all of it can be sent again.
 */
export function createForwarders(deps: PassageDeps): Forwarders {
  const { upstreams, refresher, metrics, turn } = deps;
  const lanes = new Map(deps.routes.all.map((route) => [route, createLane(route, deps)]));

  return {
    async open(passage, credential) {
      const { request, response, route, body } = passage;
      // Trailers come after a body in chunks only; after any other the field announces nothing.
      if (request.headers.trailer !== undefined && request.headers['transfer-encoding'] !== undefined)
        return openWithTrailers(passage, credential);

      let renewed: Credential | undefined;
      const inspect: Inspect = (status, headers) => {
        if (status !== 401 || credential === undefined) return undefined;
        return answerRefusal(passage, credential, headers, (other) => (renewed = other));
      };
      const result = await call(passage, credential, body.content, inspect).catch((error: unknown) => {
        const again = body.again();
        const mayRepeat =
          idempotent.has(request.method ?? '') && isStaleConnection(error) && !response.headersSent;
        if (!mayRepeat || again === undefined || response.destroyed) throw error;
        return call(passage, credential, again, inspect);
      });
      if (result !== 'discarded' || renewed === undefined) return;

      metrics.upstream401('replayed');
      const replayed = renewed;
      await call(passage, replayed, body.again() ?? null, (status, headers) => {
        if (status !== 401) return undefined;
        if (challengeAction(headers['www-authenticate']) === 'step_up') return askForStepUp();
        metrics.upstream401('passed');
        refresher.refusedAgain(replayed, route.config.path);
        return undefined;
      });
    },
  };

  /** Decides on a 401: it passes, or is thrown away because there is another token to try. */
  function answerRefusal(
    { body, route }: Forwarder,
    credential: Credential,
    headers: IncomingHttpHeaders,
    onRenewed: (renewed: Credential) => void,
  ): Promise<'pass' | 'discard'> | undefined {
    const demand = challengeAction(headers['www-authenticate']);
    if (demand === 'step_up') return askForStepUp();
    const renewal = demand === 'refresh' ? refresher.afterRefusal(credential, route.config.path) : undefined;
    if (renewal === undefined || body.again() === undefined) {
      metrics.upstream401('passed');
      // Too large to be sent again: this 401 is the answer, once the next call is sure to have the new token.
      const pass = (): 'pass' => 'pass';
      return renewal?.then(pass, pass);
    }
    return renewal.then((other) => {
      if (other !== undefined) {
        onRenewed(other);
        return 'discard';
      }
      metrics.upstream401('passed');
      return 'pass';
    });
  }

  function askForStepUp(): Promise<never> {
    metrics.upstream401('step_up');
    return Promise.reject(
      new GatewayError('step_up_required', { detail: 'This request requires a stronger sign-in.' }),
    );
  }

  function call(
    passage: Forwarder,
    credential: Credential | undefined,
    content: UpstreamCall['body'],
    inspect: Inspect,
  ): Promise<ForwardResult> {
    const { response, exchange, route } = passage;
    const lane = laneOf(route);
    const downstream = createResponseWriter(response, lane.downstream, exchange.requestId, turn);
    const upstreamCall = lane.callOf(passage, credential, content);
    return forward(() => upstreams.of(route), upstreamCall, response, downstream, inspect, lane.places, turn);
  }

  async function openWithTrailers(passage: Forwarder, credential: Credential | undefined): Promise<void> {
    const { request, response, exchange, route } = passage;
    const lane = laneOf(route);
    const downstream = createResponseWriter(response, lane.downstream, exchange.requestId, turn);
    const upstreamCall = lane.callOf(passage, credential, passage.body.content);
    const nominated = nominatedBy(request.headers.connection);
    const mayTrail = (name: string) => lane.mayTrail(name) && nominated?.has(name.toLowerCase()) !== true;
    const unrepeatable = { ...passage, body: { content: null, again: () => undefined } };
    await forwardWithTrailers(
      upstreamCall,
      { request, response, downstream, mayTrail },
      (status, headers) => {
        if (status !== 401 || credential === undefined) return undefined;
        return answerRefusal(unrepeatable, credential, headers, () => undefined);
      },
    );
  }

  function laneOf(route: Route) {
    const lane = lanes.get(route);
    if (lane === undefined) throw new Error(`route ${route.config.path} does not belong to this gateway`);
    return lane;
  }
}

/** What is the same for all requests of a route. */
function createLane(route: Route, { baseUrl, eventStreams }: PassageDeps) {
  const requestHeaders = createRequestHeaderPolicy(route.config, { host: route.host, baseUrl });
  const { connections, timeout } = route.config;
  const downstream: ResponseWriterPolicy = {
    headers: createResponseHeaderPolicy(route.config),
    mayTrail: createResponseTrailerPolicy(route.config),
    idleMs: timeout.idle,
    eventStreams,
  };
  return {
    downstream,
    places: createConnectionSlots(connections.max, timeout.headers),
    mayTrail: createRequestTrailerPolicy(route.config),
    callOf(
      { request, exchange }: Forwarder,
      credential: Credential | undefined,
      body: UpstreamCall['body'],
    ): UpstreamCall {
      const { target, clientAddress, requestId } = exchange;
      const accessToken = credential?.accessToken;
      return {
        origin: route.origin,
        path: route.upstreamPath(target.path) + target.query,
        method: request.method ?? 'GET',
        headers: requestHeaders(request.rawHeaders, { accessToken, clientAddress, requestId }),
        body,
        headersTimeout: timeout.headers,
        bodyTimeout: timeout.idle,
        connectTimeout: timeout.connect,
      };
    },
  };
}
