import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import { GatewayError } from './errors.ts';
import { createExpressClasses, type ExpressClasses } from './performance/express-classes.ts';

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

/** The apps of a gateway: one for each configuration. They share the classes of their requests and responses. */
export type Apps = {
  readonly classes: ExpressClasses;
  /** Creates a request pipeline: the first handler that responds ends it. */
  create(pipeline: Pipeline): Express;
};

export function createApps(): Apps {
  const prototypes = createBareApp();
  const classes = createExpressClasses(prototypes);
  return {
    classes,
    create(pipeline) {
      const app = createApp(pipeline);
      // Not those of its own: the server's classes have these.
      return Object.assign(app, { request: prototypes.request, response: prototypes.response });
    },
  };
}

function createBareApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  return app;
}

function createApp(pipeline: Pipeline): Express {
  const app = createBareApp();

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
