import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { Agent, createServer } from 'node:http';
import { workerOptions, serveWorker } from '../worker-process.ts';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { ACCESS_TOKEN, type BaselineOptions } from './baseline.ts';

/** http-proxy-middleware alone behind Express, with kept-alive connections: no session, and one token for everybody. */
const { upstream } = workerOptions<BaselineOptions>();
const proxy = createProxyMiddleware({
  target: upstream,
  agent: new Agent({ keepAlive: true }),
  headers: { authorization: `Bearer ${ACCESS_TOKEN}` },
});
const app = express();
app.use(proxy);

const server = createServer(app).on('upgrade', proxy.upgrade);

const { port } = await listenOnLoopback(server);
serveWorker({ port, cookie: 'theme=dark' }, {});
