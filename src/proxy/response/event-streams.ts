import type { ServerResponse } from 'node:http';

/** Event streams (HTML, section 9.2), which have no end of their own, and which the browser opens anew when they end. */
export type EventStreams = {
  /** Follows an answer whose head has come, if it is such a stream. */
  follow(response: ServerResponse, contentType: string | undefined): void;
  /** Cuts off those that are open, and from now on each as it begins. */
  cutOff(): void;
};

export function createEventStreams(): EventStreams {
  const open = new Set<ServerResponse>();
  let isOver = false;

  return {
    follow(response, contentType) {
      // An EventSource asks by GET. What answers another method has an end, and nobody asks for it again.
      if (contentType?.startsWith('text/event-stream') !== true || response.req.method !== 'GET') return;
      // With its head sent first: a browser does not try again where there was no stream.
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
