import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isSending, linger } from './lingering-close.ts';

/** The connections of a server, followed so that it can stop without cutting an answer short. */
export type Connections = {
  /**
   * Closes what has no request under way, every other connection with its last answer, and upgraded ones when their
   * grace is over. Call it once, when the server accepts no more.
   */
  drain(): void;
  /** Cuts off the answers that have begun and are not over yet; gives how many. */
  cutOff(): number;
};

/** How long an upgraded connection has to end in good form, in milliseconds: a frame and a closing handshake. */
const UPGRADED_GRACE_MS = 2_500;

/** How long a client may take none of the bytes that are there for it, in milliseconds. */
const STALL_MS = 60_000;

/**
 * Follows connections from the start; give it the server before the server has other listeners.
 *
 * The server's own `closeIdleConnections` (Node.js 24) leaves those open on which a whole request has never come, such as
 * the spare one that a browser opens ahead, and knows nothing of upgraded ones.
 */
export function createConnections(server: Server, stallMs = STALL_MS): Connections {
  /**
   * The answers that are still to come on each: more than one when a client sends ahead. In a list of each connection's own:
   * a Set of all of them would leave a chain of former tables, each with the answers of its time, for the garbage collector
   * to keep as long as the oldest of them is kept (`docs/decisions/0014-nothing-outlives-its-request.md`).
   */
  const awaited = new Map<Socket, ServerResponse[]>();
  const upgraded = new Set<Socket>();
  const stalled = new Set<Socket>();
  let draining = false;

  const begin = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (draining) response.setHeader('Connection', 'close');
    awaited.get(socket)?.push(response);
    response.once('close', () => {
      const answers = awaited.get(socket);
      answers?.splice(answers.indexOf(response), 1);
      if (draining && answers?.length === 0) socket.destroySoon();
      // SECURITY: nothing else bounds how long a client may take over a body that nobody has asked for.
      if (isSending(request)) linger(request);
    });
  };

  server.on('connection', (socket: Socket) => {
    awaited.set(socket, []);
    socket.once('close', () => {
      awaited.delete(socket);
      upgraded.delete(socket);
      stalled.delete(socket);
    });
  });
  server.on('request', begin);
  server.on('checkContinue', begin);
  server.on('upgrade', (request: IncomingMessage) => {
    awaited.delete(request.socket);
    upgraded.add(request.socket);
  });

  /**
   * SECURITY: nothing else bounds how long a client leaves unread what is there for it, such as a file of the app's. Who is
   * behind gets the socket's own timer, which any progress sets back, unless the answer has set one.
   */
  const look = () => {
    for (const socket of awaited.keys()) {
      if (socket.writableLength === 0) {
        if (stalled.delete(socket) && socket.timeout === stallMs) socket.setTimeout(0);
      } else if (!socket.timeout) {
        stalled.add(socket);
        socket.setTimeout(stallMs);
      }
    }
  };
  const looking = setInterval(look, stallMs / 4).unref();
  server.once('close', () => clearInterval(looking));

  return {
    drain() {
      draining = true;
      for (const [socket, answers] of awaited) {
        if (answers.length === 0) socket.destroy();
        for (const response of answers) if (!response.headersSent) response.setHeader('Connection', 'close');
      }
      setTimeout(() => upgraded.forEach((socket) => socket.destroy()), UPGRADED_GRACE_MS).unref();
    },

    cutOff() {
      const begun = [...awaited.values()].flat().filter(({ headersSent }) => headersSent);
      for (const response of begun) response.destroy();
      return begun.length;
    },
  };
}
