import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { AuditedRequest } from '../../observability/audit.ts';
import type { LogLimit } from '../../observability/log-limit.ts';
import type { RequestTrace } from '../../observability/tracing/tracing.ts';
import type { Target } from './target.ts';

/** The gateway's own data about one request or upgrade. */
export type RequestContext = {
  /** Sent to the upstream and to the client as `X-Request-Id`, and written in every log line about the request. */
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly target: Target;
  readonly clientAddress: string;
  /** The metrics label: the path of the configured route, or a fixed name for what the gateway serves itself. */
  route: string;
  /** The trace that the request belongs to, when traces are collected. */
  trace?: RequestTrace | undefined;
  /** Set while the request is traced and its trace is exported. */
  traceId?: string;
  failureReturnTo?: FailureReturnTo | undefined;
  /** Decides whether the access log has a line about this request if the gateway rejects it. Without one, it always has. */
  rejectionLogLimit?: LogLimit | undefined;
  /** The issuer of the access token that the caller brought. */
  tokenIssuer?: string | undefined;
};

/** Where a failed sign-in leads in place of an error: the app, which reads why from the query. */
export type FailureReturnTo = {
  /** A path on this origin. */
  readonly path: string;
  /** Whether other requests than navigations lead there too, as the callback of a step-up: only the app uses its outcome. */
  readonly always: boolean;
};

declare global {
  namespace Express {
    interface Locals {
      context?: RequestContext;
    }
  }
}

export function createRequestId(): string {
  return randomUUID();
}

/** What the audit says of a request. */
export function auditedRequest({ requestId, clientAddress }: RequestContext): AuditedRequest {
  return { requestId, clientAddress };
}

/** Returns the context that the pipeline stored for Express. Throws when the pipeline has not run. */
export function requestContextOf(response: ServerResponse & { locals: Express.Locals }): RequestContext {
  const { context } = response.locals;
  if (context === undefined) throw new Error('the request has no context; the pipeline has not run');
  return context;
}
