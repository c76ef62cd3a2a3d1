import { ServerResponse } from 'node:http';
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
async function failureOf(parts: Readonly<Record<string, unknown>>): Promise<unknown> {
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
  const request = requestOf({ url: '/api/one', headers: [['Sec-Fetch-Site', 'same-origin']] });
  const context = {
    requestId: 'r1',
    startedAtMs: 0,
    target: { path: '/api/one', query: '' },
    clientAddress: '203.0.113.9',
    route: 'none',
  };
  const response = new ServerResponse(request);
  return Promise.resolve(createApi(deps)(request, response, context)).then(
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

it('follows a response only until it ends or fails', async () => {
  const followed = new Set<unknown>();
  const sessionBound = {
    follow(_response: unknown, session: unknown) {
      followed.add(session);
      return () => void followed.delete(session);
    },
  };
  const tokenResolver = { resolve: () => ({ session: { key: 'k1' } }) };
  for (const forward of [async () => undefined, fail]) {
    const forwarder = {
      forward() {
        expect(followed.size).toBe(1);
        return forward();
      },
    };
    const stepUpLinks = { complete: async (error: unknown) => error };
    await failureOf({ sessionBound, tokenResolver, forwarder, stepUpLinks });
    expect(followed.size).toBe(0);
  }
});
