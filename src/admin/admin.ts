import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import { createBearerCheck } from './bearer-check.ts';
import { consolePage } from './console.ts';
import { answer, type Page, type Pages } from './page.ts';
import { mergeChecks, mergeMetrics, METRICS_TYPE, type Snapshot } from './snapshot.ts';

/**
 * The admin listener: liveness, readiness, metrics and the console for everybody who can reach it, `guarded` pages for who has the token.
 * Without a token configured these are not there. Never on the public listener.
 */
export function createAdmin(deps: {
  /** What every process that serves says of itself. */
  snapshots: () => Promise<readonly Snapshot[]>;
  guarded: Pages;
  token: string | undefined;
}): RequestListener {
  const { snapshots, token } = deps;
  const open: Pages = {
    '/': consolePage,
    '/livez': {
      GET: (response) => answer(response, 200, { status: 'ok' }),
    },
    '/readyz': {
      async GET(response) {
        const checks = mergeChecks(await snapshots());
        const ready = checks.every(({ ok }) => ok);
        answer(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks });
      },
    },
    '/metrics': {
      async GET(response) {
        const text = await mergeMetrics(await snapshots());
        response.setHeader('Content-Type', METRICS_TYPE);
        response.end(text);
      },
    },
  };
  const guarded = token === undefined ? {} : deps.guarded;
  const hasToken = token === undefined ? () => false : createBearerCheck(token);

  const turnTo = async (request: IncomingMessage, response: ServerResponse) => {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const page = open[path] ?? guarded[path];
    response.setHeader('Cache-Control', 'no-store');
    if (page === undefined) return answer(response, 404, { status: 'not found' });
    if (guarded[path] !== undefined && !hasToken(request)) {
      response.setHeader('WWW-Authenticate', 'Bearer');
      return answer(response, 401, { status: 'the admin token is needed' });
    }
    const run = page[request.method === 'HEAD' ? 'GET' : (request.method ?? '')];
    if (run === undefined) {
      response.setHeader('Allow', allowedAt(page).join(', '));
      return answer(response, 405, { status: 'method not allowed' });
    }
    try {
      await run(response, new URLSearchParams(query));
    } catch (error) {
      if (error instanceof GatewayError) answer(response, error.status, { status: error.code });
      else answer(response, 500, { status: 'error' });
    }
  };
  return function admin(request, response) {
    void turnTo(request, response);
  };
}

function allowedAt(page: Page): string[] {
  return Object.keys(page).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}
