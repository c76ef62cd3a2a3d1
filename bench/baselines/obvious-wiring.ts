import { randomBytes } from 'node:crypto';
import express from 'express';
import helmet from 'helmet';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Redis } from 'ioredis';
import { getIronSession, sealData } from 'iron-session';
import { Agent, createServer, type IncomingMessage } from 'node:http';
import { workerOptions, serveWorker } from '../worker-process.ts';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { ACCESS_TOKEN, type BaselineOptions } from './baseline.ts';

/** A request whose session has been found. */
type Authenticated = IncomingMessage & { accessToken?: string };

/**
 * The obvious wiring of the same packages: for each request helmet, getIronSession, a read of the tokens in Redis, and
 * http-proxy-middleware. It refreshes no tokens and has no protection against cross-site requests.
 */
const { upstream, redisUrl } = workerOptions<BaselineOptions>();
const redis = new Redis(redisUrl);
const seal = { cookieName: 'session', password: randomBytes(32).toString('base64url') };

const app = express();
app.use(helmet());
app.use(async function authenticate(request: Authenticated, response, next) {
  const session = await getIronSession<{ id?: string }>(request, response, seal);
  const record = session.id === undefined ? null : await redis.get(`obvious:${session.id}`);
  if (record === null) return void response.sendStatus(401);
  request.accessToken = (JSON.parse(record) as { accessToken: string }).accessToken;
  next();
});
app.use(
  createProxyMiddleware<Authenticated>({
    target: upstream,
    agent: new Agent({ keepAlive: true }),
    on: {
      proxyReq: (outgoing, request) => {
        outgoing.removeHeader('cookie');
        outgoing.setHeader('authorization', `Bearer ${request.accessToken}`);
      },
    },
  }),
);

// The session that a sign-in would create.
const id = randomBytes(32).toString('base64url');
const tokens = { accessToken: ACCESS_TOKEN, refreshToken: 'refresh', idToken: ACCESS_TOKEN };
await redis.set(`obvious:${id}`, JSON.stringify(tokens));
const cookie = `${seal.cookieName}=${await sealData({ id }, seal)}`;

const { port } = await listenOnLoopback(createServer(app));
serveWorker({ port, cookie }, {});
