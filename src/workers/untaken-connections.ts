import type { Worker } from 'node:cluster';

/** A connection as the supervisor hands it to a worker; Node.js closes it here once the worker has taken it. */
type Connection = { readonly fd: number; close(): void };

/** The worker that each connection was handed to last. */
const takers = new WeakMap<Connection, Worker>();

/**
 * Closes the connections that a worker has not taken when it exits. Node.js (24) leaves them open, so their clients would wait for
 * ever.
 */
export function closeUntakenConnections(worker: Worker): void {
  /** The newest connection of each listener: Node.js hands over the next one once the worker has taken it. */
  const newest = new Map<unknown, Connection>();
  const send = worker.process.send.bind(worker.process);
  const sendAndNote = (message: unknown, handle: unknown, ...rest: unknown[]): unknown => {
    if (isHandover(message) && isConnection(handle)) {
      newest.set(message.key, handle);
      takers.set(handle, worker);
    }
    return Reflect.apply(send, worker.process, [message, handle, ...rest]);
  };
  Object.assign(worker.process, { send: sendAndNote });

  worker.once('exit', () => {
    for (const connection of newest.values())
      if (takers.get(connection) === worker && connection.fd >= 0) connection.close();
  });
}

/** The message of `node:cluster` with a connection. */
function isHandover(message: unknown): message is { key: unknown } {
  return (
    typeof message === 'object' &&
    message !== null &&
    'act' in message &&
    message.act === 'newconn' &&
    'key' in message
  );
}

function isConnection(handle: unknown): handle is Connection {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    'fd' in handle &&
    typeof handle.fd === 'number' &&
    'close' in handle &&
    typeof handle.close === 'function'
  );
}
