/** A finished span. Times are microseconds since the epoch. */
export type FinishedSpan = {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startsAtMicros: number;
  readonly endsAtMicros: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly hasFailed: boolean;
};

export type SpanKind = 'internal' | 'server' | 'client';
