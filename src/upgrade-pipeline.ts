import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from './errors.ts';
import { CLIENT_CLOSED_REQUEST, endSpan, type AccessLog } from './http/access-log.ts';
import type { Guard } from './http/inbound/guard.ts';
import type { RequestContext } from './http/inbound/request-context.ts';
import { createProblemLog, type RefusalMetrics } from './http/problem/middleware.ts';
import type { Problems } from './http/problem/problem.ts';
import type { Logger } from './observability/log.ts';
import { respondOnSocket } from './proxy/websocket/refusal.ts';

/**
 * Handles the upgrades it is responsible for; returns false for any other. Throws the error that the browser gets instead of
 * a 101. It logs the responses of the upstream; the pipeline logs the rejections of the gateway.
 */
export type UpgradeStep = (
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  context: RequestContext,
) => Promise<boolean>;

/** The steps of the pipeline, in their order. */
export type UpgradePipeline = {
  guard: Guard;
  /** Runs the steps after the guard; a trace of the upgrade begins here. */
  traced: (step: UpgradeStep) => UpgradeStep;
  /** Route, origin, session and token, limits, the handshake with the upstream, and the relay. */
  api: UpgradeStep;
  /** The hot-reload socket of the app's development server. */
  spa: UpgradeStep;
  problems: Problems;
  accessLog: AccessLog;
  log: Logger;
  metrics: RefusalMetrics;
};

/** Handles the `upgrade` events of a server. */
export type UpgradeListener = (request: IncomingMessage, socket: Socket, head: Buffer) => void;

/** A socket error is followed by `close`; a closure here would keep the request in memory as long as the socket. */
const ignore = () => undefined;

/** The way of an upgrade through the gateway, on one screen. */
export function createUpgradePipeline(pipeline: UpgradePipeline): UpgradeListener {
  const { guard, traced, api, spa, problems, accessLog, log, metrics } = pipeline;
  const logProblem = createProblemLog(log, metrics);

  const serve = traced(
    async (...upgrade) => (await api(...upgrade)) || (await spa(...upgrade)) || notFound(),
  );
  const handle: UpgradeStep = async (request, socket, head, context) => {
    guard.check(request, context);
    return serve(request, socket, head, context);
  };

  const refuse = (request: IncomingMessage, socket: Socket, context: RequestContext, error: unknown) => {
    // The browser has disconnected, so there is no error and no response.
    if (socket.destroyed) return;
    logProblem(error, context.requestId);
    const problem = problems(error, context.requestId);
    accessLog(request.method, problem.status, context);
    respondOnSocket(socket, problem);
  };

  return function upgrade(request, socket, head) {
    const context = guard.open(request);
    socket.on('error', ignore);
    // SECURITY: the response to an earlier request on this connection would be written into the WebSocket.
    if (guard.isAwaitingResponse(socket)) {
      accessLog(request.method, 400, context);
      return void socket.destroy();
    }
    handle(request, socket, head, context)
      .catch((error: unknown) => refuse(request, socket, context, error))
      // A browser that has disconnected gets no response, and has no line in the log.
      .finally(() => endSpan('GET', CLIENT_CLOSED_REQUEST, context));
  };
}

function notFound(): never {
  throw new GatewayError('not_found', { detail: 'This path does not accept WebSockets.' });
}
