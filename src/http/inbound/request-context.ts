import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Target } from './target.ts';

/** What the gateway itself knows about one request or upgrade. */
export type RequestContext = {
  /** Unique to the request; sent upstream and back as `X-Request-Id`, and in every log line about it. */
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly target: Target;
  readonly clientAddress: string;
  /** The route that serves it, for metrics: the path of a route, or a name for what the gateway serves itself. */
  route: string;
};

declare global {
  namespace Express {
    interface Locals {
      context?: RequestContext;
    }
  }
}

/** Makes the identifier of a request. */
export function createRequestId(): string {
  return randomUUID();
}

/** The request context of a response. Throws when the request has no context; the guard middleware has not run. */
export function requestContextOf(response: ServerResponse & { locals: Express.Locals }): RequestContext {
  const { context } = response.locals;
  if (context === undefined) throw new Error('the request has no context; the guard middleware has not run');
  return context;
}
