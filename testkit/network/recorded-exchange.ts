import type { Exchange, OutgoingRequest } from '../../src/proxy/upstream/http1/exchange.ts';
import type { ConnectionPool } from '../../src/proxy/upstream/http1/pool.ts';

/** A request that was sent on a pool, and what has become of it so far. */
export type RecordedExchange = {
  readonly exchange: Exchange;
  /** The names of the events, in order. */
  readonly events: string[];
  status(): number | undefined;
  body(): string;
  /** The kind of the failure, or its code. */
  failure(): unknown;
  error(): unknown;
  /** Settles when the connection is free or closed. */
  readonly released: Promise<void>;
};

/**
 * Sends a request, by default a GET without limits that matter; pauses at its head (`hold`), or at each piece of its body, `briefly` until the
 * next iteration of the event loop.
 */
export function sendRecorded(
  pool: ConnectionPool,
  changes: Partial<OutgoingRequest> = {},
  pauses?: 'hold' | 'each' | 'briefly',
  onConnected: (exchange: Exchange) => void = () => undefined,
): RecordedExchange {
  const request = {
    method: 'GET',
    path: '/',
    headers: ['Host', 'api.test'],
    body: null,
    reset: false,
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
    ...changes,
  };
  const events: string[] = [];
  const { promise: released, resolve } = Promise.withResolvers<void>();
  let status: number | undefined;
  let body = '';
  let failure: unknown;
  const exchange = pool.send(request, {
    onConnected(exchange) {
      events.push('connected');
      onConnected(exchange);
    },
    onHead(start) {
      events.push('head');
      ({ status } = start);
      return pauses === 'hold' ? 'hold' : 'read';
    },
    onData(chunk) {
      if (events.at(-1) !== 'data') events.push('data');
      body += chunk.toString('latin1');
      if (pauses === 'briefly') setImmediate(() => exchange.resume());
      return pauses !== 'each' && pauses !== 'briefly';
    },
    onEnd: () => void events.push('end'),
    onError(error) {
      events.push('error');
      failure = error;
    },
    onReleased() {
      events.push('released');
      resolve();
    },
  });
  const failureOf = (error: unknown) =>
    error instanceof Error && ('kind' in error ? error.kind : 'code' in error ? error.code : error.message);
  return {
    exchange,
    events,
    status: () => status,
    body: () => body,
    failure: () => failure && failureOf(failure),
    error: () => failure,
    released,
  };
}
