import type { IncomingMessage } from 'node:http';
import { Counter } from 'prom-client';
import type { RequestStep } from '../app.ts';
import { tracesTarget, unusableTracesVariable } from '../config/traces-target.ts';
import type { Config } from '../config/schema/schema.ts';
import type { RequestContext } from '../http/inbound/request-context.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createOtlpExporter } from '../observability/tracing/otlp-exporter.ts';
import { createTracing, type RequestTrace, type Tracing } from '../observability/tracing/tracing.ts';
import type { SingleFlight } from '../concurrency/single-flight.ts';
import type { Locks } from '../redis/lock/locks.ts';
import type { RefreshResult } from '../refresh/refresh-result.ts';
import type { TokenEndpointCall } from '../refresh/token-endpoint-call.ts';
import type { Sessions } from '../sessions/service.ts';
import type { UpgradeStep } from '../upgrade-pipeline.ts';

/** Undefined if the environment names no collector: then nothing of it runs. */
export function openTracing(deps: {
  current: () => Config;
  log: Logger;
  metrics: Metrics;
}): Tracing | undefined {
  const { current, log, metrics } = deps;
  const variable = unusableTracesVariable();
  if (variable !== undefined)
    log.warn({ variable }, 'the endpoint for traces is not an http or https URL; sending no spans');
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

/** Begins the span of a request or an upgrade that the guard has accepted. The access log ends it. */
type BeginSpan = (name: string, request: IncomingMessage, context: RequestContext) => RequestTrace;

function spansBeginWith(tracing: Tracing, isTrustedPeer: (request: IncomingMessage) => boolean): BeginSpan {
  return (name, request, context) => {
    const { traceparent } = request.headers;
    const trace = tracing.request({
      name,
      requestId: context.requestId,
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
      isTrusted: isTrustedPeer(request),
    });
    context.trace = trace;
    if (trace.isSampled) context.traceId = trace.traceId;
    return trace;
  };
}

/** Runs what follows the guard in the span of the request. A request that the guard rejects has none. */
export function withRequestSpans(
  tracing: Tracing | undefined,
  isTrustedPeer: (request: IncomingMessage) => boolean,
  step: RequestStep,
): RequestStep {
  if (tracing === undefined) return step;
  const begin = spansBeginWith(tracing, isTrustedPeer);
  return (request, response, context) =>
    begin('request', request, context).run(() => step(request, response, context));
}

/** Runs what follows the guard in the span of the upgrade, which ends with the response: a tunnel may be open for days. */
export function withUpgradeSpans(
  tracing: Tracing | undefined,
  isTrustedPeer: (request: IncomingMessage) => boolean,
  step: UpgradeStep,
): UpgradeStep {
  if (tracing === undefined) return step;
  const begin = spansBeginWith(tracing, isTrustedPeer);
  return (request, socket, head, context) =>
    begin('upgrade', request, context).run(() => step(request, socket, head, context));
}

/** Spans of the session lookup, for whatever finds sessions by cookie. */
export function withLookupSpans(tracing: Tracing | undefined, sessions: Sessions): Sessions {
  if (tracing === undefined) return sessions;
  return {
    ...sessions,
    // One in memory has a span, too.
    touchInMemory: () => undefined,
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
