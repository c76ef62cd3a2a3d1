import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';
import type { Readiness } from './readiness.ts';

/** The admin listener: liveness, readiness and metrics. Never on the public listener. */
export function createAdmin(deps: { readiness: Readiness; metrics: Metrics }): RequestListener {
  const { readiness, metrics } = deps;
  const pages: Readonly<Record<string, (response: ServerResponse) => Promise<void>>> = {
    '/livez': async (response) => answer(response, 200, { status: 'ok' }),
    '/readyz': async (response) => {
      const checks = await readiness.checks();
      const ready = checks.every(({ ok }) => ok);
      answer(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks });
    },
    '/metrics': async (response) => {
      response.setHeader('Content-Type', metrics.registry.contentType);
      response.end(await metrics.registry.metrics());
    },
  };

  return function admin(request: IncomingMessage, response: ServerResponse) {
    const page = pages[(request.url ?? '').split('?', 1)[0] ?? ''];
    response.setHeader('Cache-Control', 'no-store');
    if (page === undefined) return answer(response, 404, { status: 'not found' });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return answer(response, 405, { status: 'method not allowed' });
    }
    page(response).catch(() => answer(response, 500, { status: 'error' }));
  };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
