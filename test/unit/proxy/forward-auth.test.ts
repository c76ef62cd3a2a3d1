import { createServer } from 'node:http';
import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { createOriginPolicy } from '../../../src/http/inbound/csrf.ts';
import { createForwardAuth } from '../../../src/proxy/forward-auth.ts';
import { createRoutes } from '../../../src/proxy/routes.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import type { Caller } from '../../../src/proxy/tokens/caller.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { minimal, route } from '../config/sample.ts';

const SECRET = 'the-secret-of-the-proxy-and-no-one-else';
const { routes: configured } = parseConfig({
  ...minimal,
  routes: [
    { ...route, path: '/given', forwardAuth: { authorizationSecret: SECRET } },
    { ...route, path: '/kept' },
  ],
});

const closing: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const listener of closing.splice(0)) await listener.stop();
});

/** Asks about a path with these fields, and returns the status and the `Authorization` of the response. */
async function ask(path: string, headers: Record<string, string>, dpopKey?: unknown) {
  const caller = { accessToken: 'the-token', session: undefined, dpopKey } as unknown as Caller;
  const app = express();
  app.use((_request, response, next) => {
    response.locals.context = {
      requestId: 'id',
      startedAtMs: 0,
      target: { path: '/auth/check', query: '' },
      clientAddress: '127.0.0.1',
      route: 'auth',
    };
    next();
  });
  app.use(
    createForwardAuth({
      routes: createRoutes(configured),
      originPolicy: createOriginPolicy('https://app.example.com', 'fetch-metadata'),
      tokenResolver: { resolve: async () => caller, clearSessionCookie: async () => undefined },
      identities: () => undefined,
      isFromTrustedProxy: () => true,
      loginUrl: '/auth/login',
    }),
  );
  app.use(((error, _request, response, _next) =>
    response.sendStatus(error.status ?? 500)) as express.ErrorRequestHandler);
  const listener = await listenOnLoopback(createServer(app));
  closing.push(listener);
  const response = await fetch(`http://127.0.0.1:${listener.port}/`, {
    headers: { 'x-forwarded-uri': path, ...headers },
  });
  return { status: response.status, authorization: response.headers.get('authorization') };
}

describe('the access token in a response to forward auth', () => {
  it('is given to a proxy with the secret of the route', async () => {
    expect(await ask('/given/one', { 'x-forward-auth-secret': SECRET })).toEqual({
      status: 200,
      authorization: 'Bearer the-token',
    });
  });

  it('is given to nobody without the secret', async () => {
    expect(await ask('/given/one', {})).toEqual({ status: 200, authorization: null });
    expect(await ask('/given/one', { 'x-forward-auth-secret': `${SECRET}x` })).toEqual({
      status: 403,
      authorization: null,
    });
  });

  it('is given on no route without a secret', async () => {
    expect(await ask('/kept/one', { 'x-forward-auth-secret': SECRET })).toEqual({
      status: 200,
      authorization: null,
    });
  });

  it('is given to nobody when it is bound to a key', async () => {
    expect(await ask('/given/one', { 'x-forward-auth-secret': SECRET }, {})).toEqual({
      status: 200,
      authorization: null,
    });
  });
});
