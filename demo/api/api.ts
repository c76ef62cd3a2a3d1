import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import express from 'express';
import { type WebSocket, WebSocketServer } from 'ws';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { type Caller, createTokenValidator, type TokenValidator, Unauthorized } from './token-validator.ts';
import { createNotes } from './notes.ts';

/** The API, running. */
export interface Api {
  url: string;
  /** Stops it at once, WebSockets included. */
  close(): void;
}

/** The issuer whose tokens the API accepts. */
export interface ApiOptions {
  issuer: string;
  /** The `aud` a token must have. */
  audience: string;
}

/**
 * Starts an API that requires a valid access token. Every response names the token of the call by its
 * fingerprint, and the seconds it has left.
 *
 * - `GET /api/me`: the caller, as the token names him
 * - `GET /api/items`, `POST /api/items` with `{text}`: the caller's own notes
 * - `GET /api/time`: the time
 * - `GET /api/diary`: needs a sign-in of the last 20 seconds, and challenges others (RFC 9470)
 * - `POST /api/reject-current-token`: from the next call on, the presented token gets 401 `invalid_token`
 * - `/api/live`: a WebSocket that ticks every second
 */
export async function startApi({ issuer, audience }: ApiOptions): Promise<Api> {
  const tokens = createTokenValidator(issuer, audience);
  const server = createServer(createApp(tokens));
  const live = new WebSocketServer({ noServer: true, path: '/api/live' });
  server.on('upgrade', (req, socket, head) => void openSocket(live, tokens, req, socket, head));
  const { port, stop } = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${port}`, close: () => void stop() };
}

/** How old a sign-in may be that opens the diary: long enough to come back from the provider. */
const DIARY_MAX_AGE_SECONDS = 20;

function createApp(tokens: TokenValidator): express.Express {
  const app = express().disable('x-powered-by').disable('etag');
  const notes = createNotes();

  /** A handler for callers with a valid token; the response names that token. */
  function serve(createBody: (caller: Caller, req: express.Request) => object): express.RequestHandler {
    return async (req, res) => {
      const caller = await tokens.verify(req.headers.authorization);
      res.json({ ...createBody(caller, req), token: caller.token });
    };
  }

  app.get(
    '/api/me',
    serve(({ subject, clientId, scope }) => ({ subject, clientId, scope })),
  );
  app.get(
    '/api/items',
    serve(({ subject }) => ({ items: notes.of(subject) })),
  );
  app.get(
    '/api/time',
    serve(() => ({ now: new Date().toISOString() })),
  );

  app.get('/api/diary', async (req, res) => {
    const { subject, token } = await tokens.verifyFresh(req.headers.authorization, DIARY_MAX_AGE_SECONDS);
    res.json({ subject, diary: 'Only for eyes that have just signed in.', token });
  });

  app.post('/api/items', express.json({ limit: '4kb' }), async (req, res) => {
    const { subject, token } = await tokens.verify(req.headers.authorization);
    const text: unknown = req.body?.text;
    if (typeof text !== 'string' || text.trim() === '' || text.length > 200) {
      res.status(400).json({ error: 'text must have 1 to 200 characters' });
      return;
    }
    res.status(201).json({ item: notes.add(subject, text.trim()), token });
  });

  app.post('/api/reject-current-token', async (req, res) => {
    const { token } = await tokens.reject(req.headers.authorization);
    res.json({ rejected: token.fingerprint, token });
  });

  app.use((_req, res) => void res.status(404).json({ error: 'not found' }));
  app.use(respondToError);
  return app;
}

const respondToError: express.ErrorRequestHandler = (error, _req, res, _next) => {
  if (error instanceof Unauthorized) {
    res.status(401).set('WWW-Authenticate', error.challenge).json({ error: 'unauthorized' });
    return;
  }
  const status = typeof error.status === 'number' ? error.status : 500;
  res.status(status).json({ error: status < 500 ? 'the request is malformed' : 'the API failed' });
};

async function openSocket(
  live: WebSocketServer,
  tokens: TokenValidator,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const caller = await tokens.verify(req.headers.authorization);
    live.handleUpgrade(req, socket, head, (client) => tick(client, caller));
  } catch (error) {
    const [status, header] =
      error instanceof Unauthorized
        ? ['401 Unauthorized', `WWW-Authenticate: ${error.challenge}\r\n`]
        : ['500 Internal Server Error', ''];
    socket.end(`HTTP/1.1 ${status}\r\n${header}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  }
}

function tick(client: WebSocket, { subject, token }: Caller): void {
  let count = 0;
  const send = () => client.send(JSON.stringify({ tick: ++count, subject, openedBy: token.fingerprint }));
  const timer = setInterval(send, 1000);
  client.on('close', () => clearInterval(timer));
  client.on('error', () => client.terminate());
  send();
}
