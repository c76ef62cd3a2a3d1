import type { Socket } from 'node:net';
import type { Endpoint } from './endpoints/metadata.ts';

/** A request the fake provider received. */
export type RecordedRequest = {
  endpoint: Endpoint;
  method: string;
  query: Record<string, string>;
  form: Record<string, string> | undefined;
  headers: Record<string, string | string[] | undefined>;
  authorization: string | undefined;
  /** The connection it came over. */
  socket: Socket;
  /** By the machine's clock, not the provider's. */
  atMs: number;
  /** The status of the response; undefined when the connection was cut. */
  status: number | undefined;
};

/** The requests that the fake provider received. */
export type RequestLog = {
  /** In order of arrival. */
  readonly requests: RecordedRequest[];
  /** Records a request; call the returned function when the request is complete. */
  add(request: RecordedRequest): () => void;
  /** The largest number of concurrent requests to one endpoint. */
  maxConcurrent(endpoint: Endpoint): number;
  /** The number of token requests, for one `grant_type` or all. */
  tokenCalls(filter?: { grant?: string }): number;
};

/** Starts an empty record. */
export function createRequestLog(): RequestLog {
  const requests: RecordedRequest[] = [];
  const underWay = new Map<Endpoint, number>();
  const highest = new Map<Endpoint, number>();

  return {
    requests,
    add: (request) => {
      const { endpoint } = request;
      requests.push(request);
      const now = (underWay.get(endpoint) ?? 0) + 1;
      underWay.set(endpoint, now);
      highest.set(endpoint, Math.max(now, highest.get(endpoint) ?? 0));
      return () => underWay.set(endpoint, (underWay.get(endpoint) ?? 1) - 1);
    },
    maxConcurrent: (endpoint) => highest.get(endpoint) ?? 0,
    tokenCalls: ({ grant } = {}) =>
      requests.filter(
        ({ endpoint, form }) =>
          endpoint === 'token' && (grant === undefined || form?.['grant_type'] === grant),
      ).length,
  };
}
