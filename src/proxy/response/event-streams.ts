import type { ServerResponse } from 'node:http';

/** Event streams (HTML, section 9.2): they do not end by themselves, and the browser reconnects when they do. */
export type EventStreams = {
  /** Tracks a response whose head has arrived, if it is an event stream. */
  follow(response: ServerResponse, contentType: string | undefined): void;
  /** Aborts the open ones, and from now on each one as it starts. */
  cutOff(): void;
};

export function createEventStreams(): EventStreams {
  const open = new Set<ServerResponse>();
  let isOver = false;

  return {
    follow(response, contentType) {
      // An EventSource sends GET. A response to another method ends by itself, and no browser reconnects to it.
      if (contentType?.startsWith('text/event-stream') !== true || response.req.method !== 'GET') return;
      // The head is sent first: a browser does not reconnect where there was no stream.
      if (isOver) return void setImmediate(() => response.destroy());
      open.add(response);
      response.once('close', () => open.delete(response));
    },

    cutOff() {
      isOver = true;
      for (const response of open) response.destroy();
    },
  };
}
