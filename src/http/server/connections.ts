import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { UPGRADED_DRAIN_MS } from '../../timing.ts';
import { isSending, linger } from './lingering-close.ts';

/** Tracks a server's connections, so that the server can stop without truncating a response. */
export type Connections = {
  /**
   * Closes idle connections at once, busy ones after their last response, and new and upgraded ones after a grace period.
   * Call it once, after the server has stopped accepting connections.
   */
  drain(): void;
  /** Aborts the responses that have started and not finished; returns their number. */
  abortResponses(): number;
  /** The request that a client would take the next bytes on its connection for a response to. */
  nextResponse(socket: Socket): NextResponse;
};

/** The request that is being received, of which the gateway knows nothing or the head, or another one. */
export type NextResponse = 'of_new_request' | 'of_begun_request' | 'of_other_request';

/**
 * How long a new connection has for its first request, in milliseconds. Its client, such as a load balancer that connects for
 * each request, has most likely sent it already.
 */
const NEW_GRACE_MS = 500;

/** How long a client may leave buffered response data unread, in milliseconds. */
const STALL_MS = 60_000;

/**
 * Call it before the server has other listeners, so that it sees every connection first.
 *
 * The server's own `closeIdleConnections` (Node.js 24) keeps connections open that have never carried a whole request,
 * such as a browser's preconnect, and ignores upgraded ones.
 */
export function createConnections(server: Server, stallMs = STALL_MS): Connections {
  /**
   * The unfinished responses of each connection; several when a client pipelines requests. Each connection has a list of
   * its own: one Set for all of them would leave a chain of old hash tables, whose responses the garbage collector keeps
   * as long as the oldest table (`docs/decisions/0014-lists-for-objects-of-requests.md`).
   */
  const pendingResponses = new Map<Socket, ServerResponse[]>();
  /** Connections without a request so far. */
  const fresh = new Set<Socket>();
  const upgraded = new Set<Socket>();
  const stalled = new Set<Socket>();
  /** The requests whose response came before their end. */
  const lingering = new WeakMap<Socket, IncomingMessage>();
  let draining = false;

  const trackResponse = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    fresh.delete(socket);
    if (draining) response.setHeader('Connection', 'close');
    pendingResponses.get(socket)?.push(response);
    response.on('close', () => {
      const pending = pendingResponses.get(socket);
      pending?.splice(pending.indexOf(response), 1);
      if (draining && pending?.length === 0) socket.destroySoon();
      // SECURITY: nothing else limits how long a client may keep sending a body that nobody reads.
      if (!isSending(request)) return;
      lingering.set(socket, request);
      request.once('close', () => lingering.delete(socket));
      linger(request);
    });
  };

  server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
    pendingResponses.set(socket, []);
    fresh.add(socket);
    socket.once('close', () => {
      pendingResponses.delete(socket);
      fresh.delete(socket);
      upgraded.delete(socket);
      stalled.delete(socket);
    });
  });
  server.on('request', trackResponse);
  server.on('checkContinue', trackResponse);
  server.on('upgrade', (request: IncomingMessage) => {
    pendingResponses.delete(request.socket);
    fresh.delete(request.socket);
    upgraded.add(request.socket);
  });

  /**
   * SECURITY: nothing else limits how long a client may leave a response unread, such as a file of the app. A stalled
   * socket gets Node's idle timer, which any progress resets, unless the response has set that timer already.
   */
  const checkStalls = () => {
    for (const socket of pendingResponses.keys()) {
      if (socket.writableLength === 0) {
        if (stalled.delete(socket) && socket.timeout === stallMs) socket.setTimeout(0);
      } else if (!socket.timeout) {
        stalled.add(socket);
        socket.setTimeout(stallMs);
      }
    }
  };
  const stallTimer = setInterval(checkStalls, stallMs / 4).unref();
  server.once('close', () => clearInterval(stallTimer));

  return {
    drain() {
      draining = true;
      for (const [socket, responses] of pendingResponses) {
        if (responses.length === 0 && !fresh.has(socket)) socket.destroy();
        for (const response of responses)
          if (!response.headersSent) response.setHeader('Connection', 'close');
      }
      setTimeout(() => fresh.forEach((socket) => socket.destroy()), NEW_GRACE_MS).unref();
      setTimeout(() => upgraded.forEach((socket) => socket.destroy()), UPGRADED_DRAIN_MS).unref();
    },

    abortResponses() {
      const started = [...pendingResponses.values()].flat().filter(({ headersSent }) => headersSent);
      for (const response of started) response.destroy();
      return started.length;
    },

    nextResponse(socket) {
      const [next, another] = pendingResponses.get(socket) ?? [];
      if (next === undefined)
        return lingering.get(socket)?.complete === false ? 'of_other_request' : 'of_new_request';
      const isBegun = another === undefined && !next.req.complete && !next.headersSent;
      return isBegun ? 'of_begun_request' : 'of_other_request';
    },
  };
}
