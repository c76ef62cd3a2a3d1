import { AsyncLocalStorage } from 'node:async_hooks';
import type { FinishedSpan, SpanKind } from './finished-span.ts';
import type { SpanExporter } from './otlp-exporter.ts';
import { createSpanIds } from './span-ids.ts';
import { readTraceparent, writeTraceparent } from './trace-context.ts';

/**
 * SECURITY: the attributes are a closed list, so that no header, cookie, query, body, token or claim can be among them. A path
 * has no query.
 */
export type SpanAttributes = {
  readonly 'http.request.method'?: string;
  readonly 'http.response.status_code'?: number;
  readonly 'http.route'?: string;
  readonly 'url.path'?: string;
  readonly 'server.address'?: string;
  readonly 'coatcheck.request_id'?: string;
};

/** A span that has begun. */
export type Span = {
  /** Names the span to whoever is called in it. */
  readonly traceparent: string;
  readonly traceId: string;
  set(attributes: SpanAttributes): void;
};

/** The request that a trace begins with. */
export type TracedRequest = {
  readonly name: string;
  /** Names the trace, if it begins here: 32 hexadecimal digits, with or without dashes. */
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** True if the peer may say to which trace the request belongs, and whether it is sampled. */
  readonly isTrusted: boolean;
};

/** The spans of requests. Outside of a sampled request, `span` only calls the function. */
export type Tracing = {
  /** Begins the span of a request, unless it is not sampled. */
  request(request: TracedRequest): RequestTrace;
  span<Result>(
    name: string,
    kind: SpanKind,
    run: (span: Span | undefined) => Promise<Result>,
  ): Promise<Result>;
  close(): Promise<void>;
};

/** The trace of a request; `traceparent` is for calls outside of other spans. */
export type RequestTrace = {
  readonly traceId: string;
  readonly isSampled: boolean;
  readonly traceparent: string;
  run<Result>(handle: () => Result): Result;
  /** Ends the span. Only the first call counts. */
  end(attributes: SpanAttributes): void;
};

/** A span that is recorded. One object holds all of it until it is exported. */
type Recorded = Span & { -readonly [Key in keyof FinishedSpan]: FinishedSpan[Key] };

const noAttributes = {};

/** `sampleRatio` is the share of traces that are recorded; 0 records none, not even those that a trusted peer samples. */
export function createTracing(deps: { exporter: SpanExporter; sampleRatio: () => number }): Tracing {
  const { exporter, sampleRatio } = deps;
  const storage = new AsyncLocalStorage<Recorded>();
  const nextSpanId = createSpanIds();

  /** `random` is a part of the trace id, so that every process decides alike. */
  const isInSample = (traceId: string) =>
    Number.parseInt(traceId.slice(-8), 16) < sampleRatio() * 0x1_0000_0000;

  const begin = (
    name: string,
    kind: SpanKind,
    traceId: string,
    parentSpanId: string | undefined,
  ): Recorded => {
    const spanId = nextSpanId();
    const startsAtMicros = nowMicros();
    return {
      traceId,
      spanId,
      parentSpanId,
      name,
      kind,
      startsAtMicros,
      endsAtMicros: startsAtMicros,
      attributes: noAttributes,
      hasFailed: false,
      traceparent: writeTraceparent({ traceId, spanId, isSampled: true }),
      set,
    };
  };
  const end = (span: Recorded, hasFailed: boolean) => {
    span.endsAtMicros = nowMicros();
    span.hasFailed = hasFailed;
    exporter.add(span);
  };

  return {
    request({ name, requestId, traceparent, isTrusted }) {
      const parent = isTrusted ? readTraceparent(traceparent) : undefined;
      const traceId = parent?.traceId ?? requestId.replaceAll('-', '');
      const isSampled = sampleRatio() > 0 && (parent?.isSampled ?? isInSample(traceId));
      if (!isSampled) {
        const spanId = traceId.slice(16);
        return {
          traceId,
          isSampled: false,
          run: (handle) => handle(),
          traceparent: writeTraceparent({ traceId, spanId, isSampled: false }),
          end: () => undefined,
        };
      }
      const span = begin(name, 'server', traceId, parent?.spanId);
      let hasEnded = false;
      return {
        traceId,
        isSampled: true,
        run: (handle) => storage.run(span, handle),
        traceparent: span.traceparent,
        end(attributes) {
          if (hasEnded) return;
          hasEnded = true;
          span.set(attributes);
          end(span, (attributes['http.response.status_code'] ?? 0) >= 500);
        },
      };
    },

    async span(name, kind, run) {
      const parent = storage.getStore();
      if (parent === undefined) return run(undefined);
      const span = begin(name, kind, parent.traceId, parent.spanId);
      let hasFailed = true;
      try {
        const result = await storage.run(span, () => run(span));
        hasFailed = false;
        return result;
      } finally {
        end(span, hasFailed);
      }
    },

    close: () => exporter.close(),
  };
}

/** The object of the caller is kept as it is, and is replaced by the next call. */
function set(this: Recorded, attributes: SpanAttributes): void {
  this.attributes = this.attributes === noAttributes ? attributes : { ...this.attributes, ...attributes };
}

const { timeOrigin } = performance;

function nowMicros(): number {
  return Math.round((timeOrigin + performance.now()) * 1_000);
}
