import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isSending, linger } from './linger.ts';

/** The connections of a server, followed so that it can stop without cutting an answer short. */
export type Connections = {
  /**
   * Closes what has no request under way, every other connection with its last answer, and upgraded ones when their
   * grace is over. Call it once, when the server accepts no more.
   */
  drain(): void;
};

/** How long an upgraded connection has to end in good form, in milliseconds: a frame and a closing handshake. */
const UPGRADED_GRACE_MS = 2_500;

/**
 * Follows connections from the start; give it the server before the server has other listeners.
 *
 * The server's own `closeIdleConnections` (Node.js 24) leaves those open on which a whole request has never come, such as
 * the spare one that a browser opens ahead, and knows nothing of upgraded ones.
 */
export function createConnections(server: Server): Connections {
  /** How many requests are under way on each: more than one when a client sends ahead. */
  const underWay = new Map<Socket, number>();
  const upgraded = new Set<Socket>();
  const answers = new Set<ServerResponse>();
  let draining = false;

  const count = (socket: Socket, change: 1 | -1) => {
    const before = underWay.get(socket);
    if (before === undefined) return;
    underWay.set(socket, before + change);
    if (draining && before + change === 0) socket.destroySoon();
  };
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    if (draining) response.setHeader('Connection', 'close');
    answers.add(response);
    count(request.socket, 1);
    response.once('close', () => {
      answers.delete(response);
      count(request.socket, -1);
      // SECURITY: nothing else bounds how long a client may take over a body that nobody has asked for.
      if (isSending(request)) linger(request);
    });
  };

  server.on('connection', (socket: Socket) => {
    underWay.set(socket, 0);
    socket.once('close', () => {
      underWay.delete(socket);
      upgraded.delete(socket);
    });
  });
  server.on('request', begin);
  server.on('checkContinue', begin);
  server.on('upgrade', (request: IncomingMessage) => {
    underWay.delete(request.socket);
    upgraded.add(request.socket);
  });

  return {
    drain() {
      draining = true;
      for (const response of answers) {
        if (!response.headersSent) response.setHeader('Connection', 'close');
      }
      for (const [socket, requests] of underWay) {
        if (requests === 0) socket.destroy();
      }
      setTimeout(() => upgraded.forEach((socket) => socket.destroy()), UPGRADED_GRACE_MS).unref();
    },
  };
}
