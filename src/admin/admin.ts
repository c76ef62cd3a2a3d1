import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { GatewayError } from '../errors.ts';
import { createOutstandingResponses } from '../http/inbound/guard.ts';
import type { HostCheck } from '../http/inbound/host.ts';
import { createRequestId } from '../http/inbound/request-context.ts';
import { isNavigation } from '../http/inbound/navigation.ts';
import { checkUtf8, parseTarget } from '../http/inbound/target.ts';
import { createProblemLog } from '../http/problem/middleware.ts';
import { createNavigationErrors, type PageLinks } from '../http/problem/navigation-errors.ts';
import { createProblems } from '../http/problem/problem.ts';
import { inertHeaders, setting } from '../http/security-headers.ts';
import type { Logger } from '../observability/log.ts';
import type { CallAudit } from './call-audit.ts';
import { consolePage } from './console.ts';
import { respondJson, type Page, type Pages } from './page.ts';
import { mergeActivity } from './activity.ts';
import { acceptsOpenMetrics, formatOpenMetrics, OPEN_METRICS_TYPE } from './open-metrics.ts';
import {
  activitiesOf,
  type CollectSnapshots,
  mergeChecks,
  mergeMetrics,
  mergeValues,
  METRICS_TYPE,
  scrapedSnapshots,
  scrapeMetrics,
} from './snapshot.ts';
import type { TokenCheck } from './token-check.ts';

/** Where the links of this listener's error pages lead. */
const consoleLinks: PageLinks = {
  homeLabel: 'Go to the console',
  baseUrl: '',
  home: '/',
  loginUrl: undefined,
  callbackPath: undefined,
};

/**
 * Handles the admin listener's requests: liveness, readiness, metrics and the console without authentication, and `guarded`
 * pages for callers with the admin token. Without a configured token, the guarded pages do not exist.
 */
export function createAdmin(deps: {
  snapshots: CollectSnapshots;
  guarded: Pages;
  hostCheck: HostCheck;
  /** Undefined when no token is configured. */
  tokenCheck: TokenCheck | undefined;
  /** Limits how often a client reads guarded pages. Throws `rate_limited`. */
  limitReads: (request: IncomingMessage) => Promise<void>;
  callAudit: CallAudit;
  clock: () => number;
  log: Logger;
}): RequestListener {
  const { snapshots, hostCheck, tokenCheck, limitReads, callAudit, clock, log } = deps;
  const problems = createProblems({ secure: false, loginUrl: undefined });
  const navigationErrors = createNavigationErrors({
    problems,
    secure: false,
    template: undefined,
    links: consoleLinks,
  });
  const open: Pages = {
    '/': consolePage,
    '/livez': {
      GET: (response) => respondJson(response, 200, { status: 'ok' }),
    },
    '/readyz': {
      async GET(response) {
        const { own, peers } = await snapshots('probe');
        const checks = mergeChecks([own, ...peers.snapshots]);
        const ready = checks.every(({ ok }) => ok);
        respondJson(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks });
      },
    },
    '/history': {
      async GET(response) {
        const { minutes, bounds } = mergeActivity(activitiesOf(await snapshots('probe')));
        respondJson(response, 200, { minutes, bounds, hasAdministration: tokenCheck !== undefined });
      },
    },
    '/metrics': {
      async GET(response) {
        const snapshot = await snapshots('scrape');
        const all = scrapedSnapshots(snapshot);
        const workers = { responding: snapshot.peers.responding + 1, missing: snapshot.peers.missing };
        if (acceptsOpenMetrics(response.req.headers.accept)) {
          response.setHeader('Content-Type', OPEN_METRICS_TYPE);
          return void response.end(formatOpenMetrics(await mergeValues(all, workers)));
        }
        const text = `${await mergeMetrics(all)}\n${await scrapeMetrics(workers)}`;
        response.setHeader('Content-Type', METRICS_TYPE);
        response.end(text);
      },
    },
  };
  const guarded = tokenCheck === undefined ? {} : deps.guarded;
  const setInertHeaders = setting(inertHeaders(false));

  const serve = async (
    request: IncomingMessage,
    response: ServerResponse,
    { path, query, requestId }: { path: string; query: string; requestId: string },
  ) => {
    hostCheck(request);
    checkUtf8(parseTarget(request.url).path);
    const page = open[path] ?? guarded[path];
    if (page === undefined)
      throw new GatewayError('not_found', { detail: 'Nothing is served at this path.' });
    if (guarded[path] !== undefined) {
      const call = { request, path, query: new URLSearchParams(query), requestId };
      let isAuthorized = false;
      response.once('close', () => callAudit({ ...call, isAuthorized, status: response.statusCode }));
      tokenCheck?.(request, requestId);
      isAuthorized = true;
    }
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    // Ending sessions stays possible, however often somebody lists them.
    if (guarded[path] !== undefined && method === 'GET') await limitReads(request);
    const handler = page[method];
    if (handler === undefined) {
      const allow = allowedAt(page);
      throw new GatewayError('method_not_allowed', {
        detail: `This page accepts ${allow.join(', ')}.`,
        allow,
      });
    }
    await handler(response, new URLSearchParams(query));
  };

  const logProblem = createProblemLog(log);
  const respondWithProblem = (error: unknown, response: ServerResponse, requestId: string) => {
    logProblem(error, requestId);
    if (response.headersSent) return void response.destroy();
    const { req: request } = response;
    const problem = isNavigation(request)
      ? navigationErrors(error, { method: request.method, requestId, context: undefined })
      : problems(error, requestId);
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    response.writeHead(problem.status, problem.headers).end(problem.body);
  };

  const outstanding = createOutstandingResponses(new WeakMap());

  return function admin(request, response) {
    const { socket } = request;
    // SECURITY: as on the public listener, pipelined requests would wait in memory without a limit.
    if (!outstanding.beginResponse(socket)) return void socket.destroy();
    response.once('close', () => outstanding.endResponse(socket));
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const requestId = createRequestId();
    const startedAtMs = clock();
    setInertHeaders(response);
    response.setHeader('X-Request-Id', requestId);
    response.once('close', () => {
      const durationMs = clock() - startedAtMs;
      const line = { requestId, method: request.method, path, status: response.statusCode, durationMs };
      // Probes and scrapes arrive every few seconds, so they are logged at debug.
      log[open[path] === undefined ? 'info' : 'debug'](line, 'admin request');
    });
    serve(request, response, { path, query, requestId }).catch((error: unknown) =>
      respondWithProblem(error, response, requestId),
    );
  };
}

function allowedAt(page: Page): string[] {
  return Object.keys(page).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}
