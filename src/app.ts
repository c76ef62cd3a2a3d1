import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { GatewayError } from './errors.ts';

/** The handlers of the pipeline, in the order in which they run. */
export type Pipeline = {
  accessLog: RequestHandler;
  guard: RequestHandler;
  authPrefix: string;
  auth: RequestHandler;
  api: RequestHandler;
  spa: RequestHandler;
  problem: ErrorRequestHandler;
};

/** The request pipeline: the first handler that responds ends it. */
export function createApp(pipeline: Pipeline): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');

  app.use(pipeline.accessLog);
  app.use(pipeline.guard);
  app.use(pipeline.authPrefix, pipeline.auth);
  app.use(pipeline.api);
  app.use(pipeline.spa);
  app.use(notFound);
  app.use(pipeline.problem);
  return app;
}

const notFound: RequestHandler = () => {
  throw new GatewayError('not_found', { detail: 'Nothing is served at this path.' });
};
