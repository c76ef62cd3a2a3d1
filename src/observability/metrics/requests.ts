import { Counter, Gauge, type Registry } from 'prom-client';
import { SECONDS_BUCKETS } from './children.ts';
import { createFastCounter, createFastHistogram } from './counted.ts';
import { createExemplars, type Exemplars } from './exemplars.ts';

export type Upstream401Action = 'replayed' | 'passed' | 'step_up';

/** Metrics of requests and of the calls to APIs. */
export type RequestMetrics = {
  /** Counts a finished request or refused upgrade. `traceId` is that of an exported trace. */
  request(route: string, method: string, status: number, seconds: number, traceId?: string): void;
  /** A request whose response is outstanding. */
  requestBegan(): void;
  requestEnded(): void;
  /** The time from a call to an API until the head of its response. */
  upstreamResponse(route: string, seconds: number): void;
  upstream401(action: Upstream401Action): void;
  csrfRefusal(code: 'csrf_rejected' | 'origin_rejected'): void;
  /** Counts a 429. The limit is a name from the code, never a text of a client. */
  rateLimited(limit: string): void;
};

const DURATION = 'coatcheck_http_request_duration_seconds';

export function createRequestMetrics(
  registry: Registry,
  { openWebSockets }: { openWebSockets: () => number },
): { metrics: RequestMetrics; exemplars: Exemplars } {
  const registers = [registry];
  const countRequest = createFastCounter({
    name: 'coatcheck_http_requests_total',
    help: 'HTTP requests served, by route, method and status.',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const timeRequest = createFastHistogram({
    name: DURATION,
    help: 'Time from a request to the end of its response, by route.',
    labelNames: ['route'],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const timeUpstream = createFastHistogram({
    name: 'coatcheck_upstream_response_seconds',
    help: 'Time from a call to an API until the head of its response, by route; each attempt counts.',
    labelNames: ['route'],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const upstream401s = new Counter({
    name: 'coatcheck_upstream_401_total',
    help: '401 responses from upstreams, by action: replayed, passed, step_up (403 responses that require a scope, too).',
    labelNames: ['action'],
    registers,
  });
  const csrfRefusals = new Counter({
    name: 'coatcheck_csrf_refusals_total',
    help: 'Requests rejected because they did not come from a page of the gateway, by code: csrf_rejected, origin_rejected.',
    labelNames: ['code'],
    registers,
  });
  const rateLimited = new Counter({
    name: 'coatcheck_rate_limited_total',
    help: 'Requests rejected with 429, by limit.',
    labelNames: ['limit'],
    registers,
  });
  let inFlight = 0;
  new Gauge({
    name: 'coatcheck_requests_in_flight',
    help: 'Requests whose response has not ended. Open WebSockets are counted apart.',
    registers,
    collect() {
      this.set(inFlight);
    },
  });
  new Gauge({
    name: 'coatcheck_websockets_open',
    help: 'Open WebSockets.',
    registers,
    collect() {
      this.set(openWebSockets());
    },
  });
  for (const code of ['csrf_rejected', 'origin_rejected']) csrfRefusals.inc({ code }, 0);

  const exemplars = createExemplars(DURATION, SECONDS_BUCKETS);

  return {
    exemplars,
    metrics: {
      request(route, method, status, seconds, traceId) {
        countRequest(route, method, String(status));
        timeRequest(route, seconds);
        if (traceId !== undefined) exemplars.record(route, seconds, traceId);
      },
      requestBegan: () => void (inFlight += 1),
      requestEnded: () => void (inFlight -= 1),
      upstreamResponse: timeUpstream,
      upstream401: (action) => upstream401s.inc({ action }),
      csrfRefusal: (code) => csrfRefusals.inc({ code }),
      rateLimited: (limit) => rateLimited.inc({ limit }),
    },
  };
}
