import type { Socket } from 'node:net';
import { CallError } from './call-error.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Connect } from './connector.ts';
import { Exchange, type OutgoingRequest, type ResponseHandler } from './exchange.ts';

/**
 * The kept-alive connections to one server. The one that was used last is used first, so that the others become idle and close.
 * The caller limits how many requests are sent at once, and with it the number of connections.
 */
export class ConnectionPool implements ConnectionOwner {
  readonly idleMs: number;
  readonly #connect: Connect;
  readonly #idle: Connection[] = [];
  /** Connections whose response ended in this iteration of the event loop. */
  #used: Connection[] = [];
  readonly #open = new Set<Connection>();
  /** The exchanges that wait for a connection of their own, with what cancels it. */
  readonly #connecting = new Map<Exchange, (error: Error) => void>();
  #isRetired = false;
  #onEmpty: (() => void) | undefined;

  constructor(connect: Connect, idleMs: number) {
    this.#connect = connect;
    this.idleMs = idleMs;
  }

  send(request: OutgoingRequest, handler: ResponseHandler): Exchange {
    const exchange = new Exchange(request, handler);
    const connection = this.#idle.pop();
    if (connection !== undefined) connection.send(exchange);
    else this.#openFor(exchange);
    return exchange;
  }

  /** Closes each connection once its exchange is over, and calls `onEmpty` when none is left. */
  retire(onEmpty: () => void): void {
    this.#isRetired = true;
    this.#onEmpty = onEmpty;
    while (this.#idle.length > 0) this.#idle.pop()?.close();
    this.#checkEmpty();
  }

  /** Closes all connections; exchanges fail. */
  close(): void {
    this.#isRetired = true;
    for (const cancel of this.#connecting.values())
      cancel(new CallError('aborted', 'the gateway is closing'));
    for (const connection of this.#open) connection.close();
  }

  onUnused(connection: Connection): void {
    if (this.#used.push(connection) > 1) return;
    setImmediate(() => {
      const used = this.#used;
      this.#used = [];
      // SECURITY: not before the next iteration has read what may follow a response: the end of its connection, or bytes that
      // nobody asked for.
      setImmediate(() => used.forEach((each) => this.#keep(each)));
    });
  }

  onClosed(connection: Connection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#checkEmpty();
  }

  #keep(connection: Connection): void {
    if (connection.isClosed) return;
    if (this.#isRetired) return connection.close();
    this.#idle.push(connection);
    connection.free();
  }

  #openFor(exchange: Exchange): void {
    const fail = (error: unknown) => {
      if (!this.#connecting.delete(exchange)) return;
      exchange.fail(error);
      exchange.release();
      this.#checkEmpty();
    };
    const cancel = this.#connect((socket: Socket) => {
      this.#connecting.delete(exchange);
      const connection = new Connection(socket, this);
      this.#open.add(connection);
      connection.send(exchange);
    }, fail);
    const abort = (error: Error) => {
      cancel();
      fail(error);
    };
    this.#connecting.set(exchange, abort);
    exchange.connection = { abort, resume() {} };
  }

  #checkEmpty(): void {
    if (this.#open.size > 0 || this.#connecting.size > 0) return;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = undefined;
    onEmpty?.();
  }
}
