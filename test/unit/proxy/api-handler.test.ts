import type { Request, Response } from 'express';
import { expect, it } from 'vitest';
import { createOriginPolicy } from '../../../src/http/inbound/csrf.ts';
import { createApi } from '../../../src/proxy/api-handler.ts';
import { createConcurrencyLimit } from '../../../src/proxy/concurrency-limit.ts';
import { createRoutes } from '../../../src/proxy/routes.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { minimal, route } from '../config/sample.ts';
import { requestOf } from '../http/request.ts';
import { collectLog } from '../log-lines.ts';

const config = parseConfig({ ...minimal, routes: [{ ...route, auth: 'none' }] });

/** Calls the API handler with these failing parts; returns the thrown error. */
async function failureOf(parts: { tokenResolver?: unknown; forwarder?: unknown }): Promise<unknown> {
  const deps = {
    routes: createRoutes(config.routes),
    originPolicy: createOriginPolicy(config.baseUrl, 'fetch-metadata'),
    concurrencyLimit: createConcurrencyLimit(),
    identities: () => undefined,
    tokenResolver: { resolve: async () => undefined },
    forwarder: { forward: async () => undefined },
    sessionBound: {},
    log: collectLog().log,
    ...parts,
  } as unknown as Parameters<typeof createApi>[0];
  const request = requestOf({ url: '/api/one', headers: [['Sec-Fetch-Site', 'same-origin']] }) as Request;
  const context = { target: { path: '/api/one', query: '' }, clientAddress: '203.0.113.9' };
  const response = {
    locals: { context },
    headersSent: false,
    destroyed: false,
  } as unknown as Response;
  return Promise.resolve(createApi(deps)(request, response, () => undefined)).then(
    () => undefined,
    (error: unknown) => error,
  );
}

const fault = new TypeError('canary');
const fail = () => Promise.reject(fault);

it('a fault inside the gateway is not reported as a fault of the API', async () => {
  expect(await failureOf({})).toBeUndefined();
  expect(await failureOf({ tokenResolver: { resolve: fail } })).toBe(fault);
  expect(await failureOf({ forwarder: { forward: fail } })).toMatchObject({ code: 'upstream_unreachable' });
});
