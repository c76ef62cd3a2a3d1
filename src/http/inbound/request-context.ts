import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Target } from './target.ts';

/** What the gateway itself knows of a request on its way through. */
export type RequestContext = {
  /** Unique to the request; sent upstream and back as `X-Request-Id`, and in every log line about it. */
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly target: Target;
  readonly clientAddress: string;
  /** The route that answered, for metrics: the path of a route, or a name for what the gateway answers itself. */
  route: string;
};

declare global {
  namespace Express {
    interface Locals {
      exchange?: RequestContext;
    }
  }
}

/** Makes the identifier of a request. */
export function createRequestId(): string {
  return randomUUID();
}

/** The exchange of a response that has passed the guard. */
export function requestContextOf(response: ServerResponse & { locals: Express.Locals }): RequestContext {
  const { exchange } = response.locals;
  if (exchange === undefined) throw new Error('the request has not passed the guard');
  return exchange;
}
