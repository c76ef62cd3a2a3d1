import type { FinishedSpan, SpanKind } from './finished-span.ts';

/** The numbers of the protocol (opentelemetry-proto, trace.proto). */
const kinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const STATUS_ERROR = 2;

type Attributes = Readonly<Record<string, string | number>>;

/**
 * Creates the body of `POST /v1/traces` (opentelemetry-proto, trace_service.proto, in its JSON mapping). The text is put together
 * directly: objects of the protocol would be four for each attribute, and each batch would be a pause of the event loop.
 */
export function createTraceRequests(resource: Attributes): (spans: readonly FinishedSpan[]) => string {
  const before =
    `{"resourceSpans":[{"resource":{"attributes":${attributesText(resource)}},` +
    `"scopeSpans":[{"scope":{"name":"coatcheck"},"spans":[`;
  return (spans) => `${before}${spans.map(spanText).join(',')}]}]}]}`;
}

function spanText(span: FinishedSpan): string {
  const { traceId, spanId, parentSpanId, name, kind, startsAtMicros, endsAtMicros } = span;
  const parent = parentSpanId === undefined ? '' : `"parentSpanId":"${parentSpanId}",`;
  const status = span.hasFailed ? `,"status":{"code":${STATUS_ERROR}}` : '';
  return (
    `{"traceId":"${traceId}","spanId":"${spanId}",${parent}"name":${quote(name)},"kind":${kinds[kind]},` +
    `"startTimeUnixNano":"${startsAtMicros}000","endTimeUnixNano":"${endsAtMicros}000",` +
    `"attributes":${attributesText(span.attributes)}${status}}`
  );
}

function attributesText(attributes: Attributes): string {
  const texts = Object.entries(attributes).map(
    ([key, value]) =>
      `{"key":${quote(key)},"value":${
        typeof value === 'string' ? `{"stringValue":${quote(value)}}` : `{"intValue":"${value}"}`
      }}`,
  );
  return `[${texts.join(',')}]`;
}

/** What needs no escape in JSON. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quote(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}
