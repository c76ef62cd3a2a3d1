import type { TracesTarget } from '../../config/traces-target.ts';
import type { FinishedSpan } from './finished-span.ts';
import { createTraceRequests } from './otlp-json.ts';

/** Sends spans in batches, and never waits for the collector. */
export type SpanExporter = {
  add(span: FinishedSpan): void;
  /** Sends what is left, for at most a second. */
  close(): Promise<void>;
};

/** How many spans wait at most, how many are sent at once, how often, and how long the collector may take. */
const MAX_QUEUED = 2_048;
const MAX_BATCH = 512;
const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;

/** OTLP over HTTP in JSON. A batch that the collector does not take is dropped and counted. */
export function createOtlpExporter(deps: {
  target: TracesTarget;
  count: (result: 'exported' | 'dropped', spans: number) => void;
  /** Told when the collector begins to fail, and when it works again. */
  onChange: (error: unknown) => void;
}): SpanExporter {
  const { target, count, onChange } = deps;
  const textOf = createTraceRequests(target.resource);
  let queue: FinishedSpan[] = [];
  let sending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isFailing = false;

  const post = async (spans: readonly FinishedSpan[], timeoutMs: number) => {
    try {
      const response = await fetch(target.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...target.headers },
        body: textOf(spans),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the collector responded with status ${response.status}`);
      count('exported', spans.length);
      if (isFailing) onChange(undefined);
      isFailing = false;
    } catch (error) {
      count('dropped', spans.length);
      if (!isFailing) onChange(error);
      isFailing = true;
    }
  };
  const flush = (timeoutMs = TIMEOUT_MS) => {
    clearTimeout(timer);
    timer = undefined;
    // One call at a time: while the collector hangs, the queue fills up, and no connections do.
    if (sending !== undefined || queue.length === 0) return;
    const batch = queue.slice(0, MAX_BATCH);
    queue = queue.slice(MAX_BATCH);
    sending = post(batch, timeoutMs).finally(() => {
      sending = undefined;
      if (queue.length > 0) schedule();
    });
  };
  const schedule = () => {
    timer ??= setTimeout(() => flush(), INTERVAL_MS).unref();
  };

  return {
    add(span) {
      if (queue.length >= MAX_QUEUED) return count('dropped', 1);
      queue.push(span);
      if (queue.length >= MAX_BATCH) flush();
      else schedule();
    },
    async close() {
      await sending;
      flush(CLOSE_TIMEOUT_MS);
      await sending;
      clearTimeout(timer);
      if (queue.length > 0) count('dropped', queue.length);
      queue = [];
    },
  };
}
