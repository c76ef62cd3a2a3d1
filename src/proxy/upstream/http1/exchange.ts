import type { Readable } from 'node:stream';
import type { RequestHead } from './request-text.ts';
import type { Fields } from './response-fields.ts';
import type { ResponseStart } from './response-start.ts';

/** A request to send. */
export type OutgoingRequest = RequestHead & {
  readonly body: null | Buffer | Readable;
  /** True when the connection must not be used for another request. */
  readonly reset: boolean;
  /** How long the response head may take after the request, in milliseconds. */
  readonly headersTimeout: number;
  /** How long the response body may stall, in milliseconds; 0 is no limit. */
  readonly bodyTimeout: number;
};

/** Gets what becomes of a request: `onEnd` or `onError` once, and `onReleased` after that. None of these may throw. */
export type ResponseHandler = {
  /** There is a connection, and nothing was written to it. */
  onConnected(exchange: Exchange): void;
  /** `hold` delivers no byte of the body before `resume`. */
  onHead(start: ResponseStart): 'read' | 'hold';
  /** False pauses until `resume`. */
  onData(chunk: Buffer): boolean;
  onEnd(trailers: Fields): void;
  onError(error: unknown): void;
  /** The connection is free for other requests, or closed. */
  onReleased(): void;
};

/** What an exchange can do with its connection, or with the attempt to open one. */
export type ExchangeConnection = {
  /** Gives the exchange up, and closes the connection. */
  abort(error: Error): void;
  /** Reads on after a pause. */
  resume(): void;
};

/** One request and its response. */
export class Exchange {
  readonly request: OutgoingRequest;
  readonly handler: ResponseHandler;
  /** Set until it is released. */
  connection: ExchangeConnection | undefined;
  #isOver = false;

  constructor(request: OutgoingRequest, handler: ResponseHandler) {
    this.request = request;
    this.handler = handler;
  }

  /** Gives up: its connection closes. */
  abort(error: Error): void {
    this.connection?.abort(error);
  }

  /** Reads on after a pause. */
  resume(): void {
    this.connection?.resume();
  }

  succeed(trailers: Fields): void {
    this.#isOver = true;
    this.handler.onEnd(trailers);
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.handler.onError(error);
  }

  /** The last event. */
  release(): void {
    this.connection = undefined;
    this.handler.onReleased();
  }
}
