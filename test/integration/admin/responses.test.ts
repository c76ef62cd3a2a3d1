import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAdmin } from '../../../src/admin/admin.ts';
import { createTokenCheck, createWrongTokenLimit } from '../../../src/admin/token-check.ts';
import { createAdminHostCheck } from '../../../src/http/inbound/host.ts';
import type { Logger } from '../../../src/observability/log.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { type LoopbackServer, listenOnLoopback } from '../../../testkit/network/loopback-server.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
const lines: Record<string, unknown>[] = [];
let listener: LoopbackServer;

beforeAll(async () => {
  const log: Logger = createLogger(
    { level: 'debug', format: 'json' },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const admin = createAdmin({
    snapshots: async () => ({
      own: { checks: [], metrics: [] },
      peers: { snapshots: [], responding: 0, missing: 0, hasCounts: true },
    }),
    guarded: {
      '/broken': {
        GET: () => {
          throw new TypeError('a bug of the gateway');
        },
      },
    },
    hostCheck: createAdminHostCheck('127.0.0.1', []),
    tokenCheck: createTokenCheck({
      token: TOKEN,
      clientAddress: () => '127.0.0.1',
      wrongTokens: createWrongTokenLimit(Date.now),
      metrics: createMetrics(),
      log,
    }),
    limitReads: async () => undefined,
    callAudit: () => undefined,
    clock: Date.now,
    log,
  });
  listener = await listenOnLoopback(createServer(admin));
});

afterAll(() => listener?.stop());

const ask = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${listener.port}${path}`, init);
const withToken = { headers: { authorization: `Bearer ${TOKEN}` } };

describe('the admin listener', () => {
  it('logs an unexpected error with its request id, and responds with a problem that does not reveal it', async () => {
    const response = await ask('/broken', withToken);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ code: 'internal_error' });
    const requestId = response.headers.get('x-request-id');
    expect(lines).toContainEqual(
      expect.objectContaining({ requestId, msg: 'unexpected error', err: expect.anything() }),
    );
  });

  it.each([
    ['a page that does not exist', '/none', {}, 404, 'not_found'],
    ['a guarded page without the token', '/broken', {}, 401, 'admin_token_required'],
    ['a method that a page does not take', '/livez', { method: 'POST' }, 405, 'method_not_allowed'],
  ])(
    'responds to %s like the public listener: with an uncached problem that runs nothing',
    async (...row) => {
      const [, path, init, status, code] = row;
      const response = await ask(path, init);
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ status, code });
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-type': 'application/problem+json',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
    },
  );

  it('logs every request to a guarded page', async () => {
    lines.length = 0;
    const response = await ask('/broken', withToken);
    await response.text();
    await expect
      .poll(() => lines)
      .toContainEqual(expect.objectContaining({ msg: 'admin request', path: '/broken', status: 500 }));
  });
});
