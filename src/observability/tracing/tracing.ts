import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { FinishedSpan, SpanExporter, SpanKind } from './otlp-exporter.ts';
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

type Recorded = Span & { readonly id: string };

/** `sampleRatio` is the share of traces that are recorded; 0 records none, not even those that a trusted peer samples. */
export function createTracing(deps: { exporter: SpanExporter; sampleRatio: () => number }): Tracing {
  const { exporter, sampleRatio } = deps;
  const storage = new AsyncLocalStorage<Recorded>();

  /** `random` is a part of the trace id, so that every process decides alike. */
  const isInSample = (traceId: string) =>
    Number.parseInt(traceId.slice(-8), 16) < sampleRatio() * 0x1_0000_0000;

  const begin = (name: string, kind: SpanKind, traceId: string, parentSpanId: string | undefined) => {
    const id = randomBytes(8).toString('hex');
    const startsAtNs = nowNs();
    let attributes: SpanAttributes = {};
    const recorded: Recorded = {
      id,
      traceId,
      traceparent: writeTraceparent({ traceId, spanId: id, isSampled: true }),
      set(more) {
        attributes = { ...attributes, ...more };
      },
    };
    const end = (hasFailed: boolean) => {
      const finished: FinishedSpan = {
        traceId,
        spanId: id,
        parentSpanId,
        name,
        kind,
        startsAtNs,
        endsAtNs: nowNs(),
        attributes: { ...attributes },
        hasFailed,
      };
      exporter.add(finished);
    };
    return { recorded, end };
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
      const { recorded, end } = begin(name, 'server', traceId, parent?.spanId);
      let hasEnded = false;
      return {
        traceId,
        isSampled: true,
        run: (handle) => storage.run(recorded, handle),
        traceparent: recorded.traceparent,
        end(attributes) {
          if (hasEnded) return;
          hasEnded = true;
          recorded.set(attributes);
          end((attributes['http.response.status_code'] ?? 0) >= 500);
        },
      };
    },

    async span(name, kind, run) {
      const parent = storage.getStore();
      if (parent === undefined) return run(undefined);
      const { recorded, end } = begin(name, kind, parent.traceId, parent.id);
      let hasFailed = true;
      try {
        const result = await storage.run(recorded, () => run(recorded));
        hasFailed = false;
        return result;
      } finally {
        end(hasFailed);
      }
    },

    close: () => exporter.close(),
  };
}

function nowNs(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
}
