import type { ServerResponse } from 'node:http';
import type { IsWithdrawn, OpenedBy } from '../withdrawn-routes.ts';

/** Event streams (HTML, section 9.2): they do not end by themselves, and the browser reconnects when they do. */
export type EventStreams = {
  /** Tracks a response whose head has arrived, if it is an event stream. */
  follow(response: ServerResponse, contentType: string | undefined, openedBy?: OpenedBy): void;
  /** Aborts those that the routes no longer permit, and later ones as they start. */
  cutOffWithdrawn(isWithdrawn: IsWithdrawn): void;
  /** Aborts the open ones, and from now on each one as it starts. */
  cutOff(): void;
};

export function createEventStreams(): EventStreams {
  const open = new Map<ServerResponse, OpenedBy | undefined>();
  let isOver = false;
  let isWithdrawn: IsWithdrawn = () => false;

  return {
    follow(response, contentType, openedBy) {
      // An EventSource sends GET. A response to another method ends by itself, and no browser reconnects to it.
      if (contentType?.startsWith('text/event-stream') !== true || response.req.method !== 'GET') return;
      // The head is sent first: a browser does not reconnect where there was no stream.
      if (isOver || (openedBy && isWithdrawn(openedBy))) return void setImmediate(() => response.destroy());
      open.set(response, openedBy);
      response.once('close', () => open.delete(response));
    },

    cutOffWithdrawn(current) {
      isWithdrawn = current;
      for (const [response, openedBy] of open) if (openedBy && isWithdrawn(openedBy)) response.destroy();
    },

    cutOff() {
      isOver = true;
      for (const response of open.keys()) response.destroy();
    },
  };
}
