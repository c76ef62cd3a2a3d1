import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isUnder } from './config/values/path.ts';
import { GatewayError } from './errors.ts';
import { CLIENT_CLOSED_REQUEST, type AccessLog } from './http/access-log.ts';
import { admit, type Guard } from './http/inbound/guard.ts';
import { requestContextOf, type RequestContext } from './http/inbound/request-context.ts';
import type { ProblemResponder } from './http/problem/middleware.ts';
import type { Logger } from './observability/log.ts';
import type { Metrics } from './observability/metrics.ts';
import { createExpressClasses, type ExpressClasses } from './performance/express-classes.ts';
import type { Api } from './proxy/api-handler.ts';

/** Responds to a request, at once or when the promise settles. Throws or rejects with the error that the browser gets. */
export type RequestStep = (
  request: IncomingMessage,
  response: ServerResponse,
  context: RequestContext,
) => Promise<void> | undefined;

/** The steps of the pipeline, in the order in which they run. */
export type Pipeline = {
  guard: Guard;
  accessLog: AccessLog;
  /** Runs the steps after the guard; a trace of the request begins here. */
  traced: (step: RequestStep) => RequestStep;
  authPrefix: string;
  auth: RequestHandler;
  api: Api;
  spa: RequestHandler;
  respondWithProblem: ProblemResponder;
  log: Logger;
  metrics: Pick<Metrics, 'requestBegan' | 'requestEnded'>;
};

/** The apps of a gateway: one for each configuration. They share the classes of their requests and responses. */
export type Apps = {
  readonly classes: ExpressClasses;
  /** Creates a request pipeline: the first step that responds ends it. */
  create(pipeline: Pipeline): RequestListener;
};

export function createApps(): Apps {
  const prototypes = createBareApp();
  const classes = createExpressClasses(prototypes);
  return {
    classes,
    create(pipeline) {
      const app = createExpressApp(pipeline);
      // Not those of its own: the server's classes have these.
      Object.assign(app, { request: prototypes.request, response: prototypes.response });
      return createApp(pipeline, app);
    },
  };
}

/** The way of a request through the gateway, on one screen. Requests of APIs, which are the most, pass without Express. */
function createApp(pipeline: Pipeline, expressApp: Express): RequestListener {
  const { guard, accessLog, traced, authPrefix, api, respondWithProblem, log, metrics } = pipeline;

  const serve = traced((request, response, context) => {
    const ofApi = isUnder(context.target.path, authPrefix) ? undefined : api(request, response, context);
    if (ofApi === undefined) expressApp(request, withContext(response, context));
    return ofApi;
  });

  const fail = (
    error: unknown,
    request: IncomingMessage,
    response: ServerResponse,
    context: RequestContext,
  ) => {
    try {
      respondWithProblem(error, request, response, context);
    } catch (cause) {
      log.error({ requestId: context.requestId, err: cause }, 'cannot respond to a failed request');
      response.destroy();
    }
  };

  const respond = (request: IncomingMessage, response: ServerResponse, context: RequestContext) => {
    try {
      serve(request, response, context)?.catch((error: unknown) => fail(error, request, response, context));
    } catch (error) {
      fail(error, request, response, context);
    }
  };

  return function handleRequest(request, response) {
    metrics.requestBegan();
    const context = guard.open(request);
    const { socket } = request;
    response.on('close', () => {
      metrics.requestEnded();
      guard.endResponse(socket);
      accessLog(request.method, response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST, context);
    });
    const isPipelined = guard.isAwaitingResponse(socket);
    try {
      if (!admit(guard, request, response, context)) return;
    } catch (error) {
      return fail(error, request, response, context);
    }
    // The rest of the request before it may have come with it: it must not reach an API first (RFC 9112, section 9.3.2).
    if (isPipelined) setImmediate(respond, request, response, context);
    else respond(request, response, context);
  };
}

function createBareApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  return app;
}

/** The steps for requests of no API. */
function createExpressApp({ authPrefix, auth, spa, respondWithProblem }: Pipeline): Express {
  const app = createBareApp();
  const problem: ErrorRequestHandler = (error, request, response, _next) =>
    respondWithProblem(error, request, response, requestContextOf(response));

  app.use(authPrefix, auth);
  app.use(spa);
  app.use(notFound);
  app.use(problem);
  return app;
}

/** Express gives its handlers what a host has put in `locals`, too. */
function withContext<Sent extends ServerResponse>(response: Sent, context: RequestContext): Sent {
  const locals: unknown = Reflect.get(response, 'locals');
  return Object.assign(response, { locals: { ...(typeof locals === 'object' && locals), context } });
}

const notFound: RequestHandler = () => {
  throw new GatewayError('not_found', { detail: 'Nothing is served at this path.' });
};
