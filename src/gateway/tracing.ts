import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { Counter } from 'prom-client';
import { tracesTarget } from '../config/traces-target.ts';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createOtlpExporter } from '../observability/tracing/otlp-exporter.ts';
import { createTracing, type Tracing } from '../observability/tracing/tracing.ts';
import type { SingleFlight } from '../concurrency/single-flight.ts';
import type { Locks } from '../redis/lock/locks.ts';
import type { RefreshResult } from '../refresh/refresh-result.ts';
import type { TokenEndpointCall } from '../refresh/token-endpoint-call.ts';
import type { Sessions } from '../sessions/service.ts';

/** Undefined if the environment names no collector: then nothing of it runs. */
export function openTracing(deps: {
  current: () => Config;
  log: Logger;
  metrics: Metrics;
}): Tracing | undefined {
  const { current, log, metrics } = deps;
  const target = tracesTarget();
  if (target === undefined) return undefined;
  const spans = new Counter({
    name: 'coatcheck_trace_spans_total',
    help: 'Spans, by result: exported, or dropped (the collector did not take them, or too many were waiting).',
    labelNames: ['result'],
    registers: [metrics.registry],
  });
  for (const result of ['exported', 'dropped']) spans.inc({ result }, 0);
  const exporter = createOtlpExporter({
    target,
    count: (result, count) => spans.inc({ result }, count),
    onChange(error) {
      if (error === undefined) log.info('the trace collector takes spans again');
      else log.warn({ err: error }, 'the trace collector does not take spans; dropping them');
    },
  });
  return createTracing({
    exporter,
    sampleRatio() {
      const { traces, sampleRatio } = current().telemetry;
      return traces === 'off' ? 0 : sampleRatio;
    },
  });
}

/** Runs what follows the guard in the span of the request. A request that the guard rejects has none. */
export function withRequestSpans(
  tracing: Tracing | undefined,
  isTrustedPeer: (request: IncomingMessage) => boolean,
  guard: RequestHandler,
): RequestHandler {
  if (tracing === undefined) return guard;
  return function traceRequest(request, response, next) {
    const result: unknown = guard(request, response, () => {
      const { context } = response.locals;
      if (context === undefined) return next();
      const { traceparent } = request.headers;
      const trace = tracing.request({
        requestId: context.requestId,
        traceparent: typeof traceparent === 'string' ? traceparent : undefined,
        isTrusted: isTrustedPeer(request),
      });
      context.trace = trace;
      if (trace.isSampled) context.traceId = trace.traceId;
      response.once('close', () =>
        trace.end({
          'http.request.method': request.method,
          'http.response.status_code': response.statusCode,
          'http.route': context.route,
          'url.path': context.target.path,
          'coatcheck.request_id': context.requestId,
        }),
      );
      trace.run(next);
    });
    return result;
  };
}

/** Spans of the session lookup, for whatever finds sessions by cookie. */
export function withLookupSpans(tracing: Tracing | undefined, sessions: Sessions): Sessions {
  if (tracing === undefined) return sessions;
  return {
    ...sessions,
    touch: (...cookie) => tracing.span('session lookup', 'internal', () => sessions.touch(...cookie)),
  };
}

type RefreshParts = {
  readonly callTokenEndpoint: TokenEndpointCall;
  readonly locks: Locks;
  readonly refreshes: SingleFlight<RefreshResult>;
};

/** Spans of a refresh, of its wait for the lock, and of its call of the token endpoint with all repetitions. */
export function withRefreshSpans(tracing: Tracing | undefined, parts: RefreshParts): RefreshParts {
  if (tracing === undefined) return parts;
  const { callTokenEndpoint, locks, refreshes } = parts;
  return {
    callTokenEndpoint: (...call) => tracing.span('token call', 'internal', () => callTokenEndpoint(...call)),
    locks: {
      ...locks,
      acquire: (...lock) => tracing.span('lock wait', 'internal', () => locks.acquire(...lock)),
    },
    refreshes: {
      ...refreshes,
      // The request that begins a refresh has its span; the others that wait for it have none.
      run: (key, fn) => refreshes.run(key, () => tracing.span('refresh', 'internal', fn)),
    },
  };
}
