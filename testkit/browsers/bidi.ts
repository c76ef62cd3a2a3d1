import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A WebDriver BiDi connection (https://w3c.github.io/webdriver-bidi/). */
export type BidiConnection = {
  /**
   * Sends a command and resolves with its result.
   *
   * @throws Error when the browser reports one, or when the connection ends.
   */
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Resolves with the parameters of the first event that `matches` from now on. Subscribe to the event first. */
  waitForEvent(method: string, matches: (params: Record<string, unknown>) => boolean): Promise<void>;
  close(): void;
};

/** A message of the browser: a result, an error or an event. */
type Message =
  | { type: 'success'; id: number; result: Record<string, unknown> }
  | { type: 'error'; id: number | null; error: string; message: string }
  | { type: 'event'; method: string; params: Record<string, unknown> };

/** Connects to a browser. */
export async function connectBidi(url: string): Promise<BidiConnection> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const pending = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  const listeners = new Set<(method: string, params: Record<string, unknown>) => void>();
  let sent = 0;

  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    switch (message.type) {
      case 'event':
        return listeners.forEach((listener) => listener(message.method, message.params));
      case 'success':
        pending.get(message.id)?.resolve(message.result);
        return void pending.delete(message.id);
      case 'error':
        pending.get(message.id ?? 0)?.reject(new Error(`${message.error}: ${message.message}`));
        return void pending.delete(message.id ?? 0);
    }
  });
  socket.on('close', () => {
    for (const { reject } of pending.values()) reject(new Error('the browser closed the connection'));
  });

  return {
    send: (method, params = {}) => {
      sent += 1;
      const command = Promise.withResolvers<Record<string, unknown>>();
      pending.set(sent, command);
      socket.send(JSON.stringify({ id: sent, method, params }));
      return command.promise;
    },

    waitForEvent: (method, matches) =>
      new Promise((resolve) => {
        const listener = (name: string, params: Record<string, unknown>) => {
          if (name !== method || !matches(params)) return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      }),

    close: () => socket.close(),
  };
}
