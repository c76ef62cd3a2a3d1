import type { Socket } from 'node:net';
import type { BodyEvents, BodyStream } from './body-stream.ts';
import { CallError } from './call-error.ts';
import { Deadline } from './deadline.ts';
import type { Exchange } from './exchange.ts';
import { mayReuseAfter, sendRequest } from './request-writer.ts';
import { invalid, type Fields } from './response-fields.ts';
import { ResponseParser, type ResponseEvents } from './response-parser.ts';
import type { ResponseStart } from './response-start.ts';

/** How many informational responses (1xx) may precede a response. */
const MAX_INFORMATIONAL = 100;
/** The largest part of a held response that is read meanwhile, to notice when the connection breaks. */
const MAX_HELD_BYTES = 65_536;
/** How long before the server would close an unused connection it is closed here, in milliseconds. */
const KEEP_ALIVE_MARGIN_MS = 2_000;

/** What a connection tells its pool. */
export type ConnectionOwner = {
  /** How long the connection may stay unused, in milliseconds. */
  readonly idleMs: number;
  /** The response is complete, and the connection can be used again after `free`. */
  onUnused(connection: Connection): void;
  onClosed(connection: Connection): void;
};

/**
 * A connection to a server, for one exchange at a time. It is used again only when nothing is left over from the last exchange:
 * what comes without a request, or after a response, would be taken for the response to the next one (RFC 9112, section 9).
 */
export class Connection implements ResponseEvents {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new ResponseParser(this);
  readonly #deadline = new Deadline(() => this.#onDeadline());
  readonly #body: BodyEvents = {
    onProgress: () => this.#awaitHead(),
    onEnd: () => {
      this.#sending = undefined;
      this.#awaitHead();
    },
    onError: (error) => this.#close(error),
  };
  #exchange: Exchange | undefined;
  /** The request body, until all of it was written. */
  #sending: BodyStream | undefined;
  #start: ResponseStart | undefined;
  #mayReuse = true;
  #informational = 0;
  /** Bytes of the response that came while it was paused. */
  #held: Buffer | undefined;
  #isHeld = false;
  #hasEnded = false;
  #isClosed = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket
      .on('data', (chunk: Buffer) => this.#onBytes(chunk))
      .on('end', () => this.#onEof())
      .on('error', (error) => this.#onBroken(error))
      .on('close', () => this.#onBroken(closed()));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends a request. Its exchange has failed when that was not possible. */
  send(exchange: Exchange): void {
    const { request, handler } = exchange;
    this.#exchange = exchange;
    exchange.connection = this;
    handler.onConnected(exchange);
    // The handler may have given up.
    if (this.#isClosed) return;
    this.#mayReuse = mayReuseAfter(request);
    this.#informational = 0;
    this.#parser.begin(request.method);
    this.#deadline.set(request.headersTimeout);
    try {
      this.#sending = sendRequest(this.#socket, request, this.#body);
    } catch (error) {
      this.#close(error);
    }
  }

  /** Makes the connection free for another exchange. */
  free(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#start = undefined;
    exchange?.release();
  }

  /** Gives the exchange up, and closes the connection. */
  abort(error: Error): void {
    this.#close(error);
  }

  /** Reads on after a pause. */
  resume(): void {
    if (this.#isClosed || !this.#parser.isPaused) return;
    this.#parser.isPaused = false;
    this.#isHeld = false;
    const held = this.#held;
    this.#held = undefined;
    this.#awaitBody();
    if (held !== undefined) this.#onBytes(held);
    if (this.#isClosed || this.#parser.isPaused) return;
    if (this.#hasEnded) this.#onEof();
    else this.#socket.resume();
  }

  /** Closes an unused connection, or one whose exchange is to fail. */
  close(): void {
    this.#close(new CallError('aborted', 'the connections to the upstream are closed'));
  }

  onInformational(start: ResponseStart): void {
    // SECURITY: what it announces as its body may be the next response.
    if (!start.isReusable) this.#mayReuse = false;
    this.#informational += 1;
    if (this.#informational > MAX_INFORMATIONAL) throw invalid('too many informational responses precede it');
  }

  onHead(start: ResponseStart): void {
    this.#start = start;
    if (this.#exchange?.handler.onHead(start) !== 'hold') return this.#awaitBody();
    this.#parser.isPaused = true;
    this.#isHeld = true;
    this.#deadline.clear();
  }

  onData(chunk: Buffer): void {
    if (this.#exchange?.handler.onData(chunk) !== false) return;
    this.#parser.isPaused = true;
    this.#deadline.clear();
    this.#socket.pause();
  }

  onEnd(trailers: Fields): void {
    this.#exchange?.succeed(trailers);
  }

  #onBytes(chunk: Buffer): void {
    let parsed: number;
    try {
      parsed = this.#parser.parse(chunk);
    } catch (error) {
      return this.#close(error);
    }
    if (this.#isClosed) return;
    if (this.#parser.isDone) return this.#finish(parsed < chunk.length);
    if (this.#parser.isPaused) return this.#hold(chunk.subarray(parsed));
    if (this.#start !== undefined) this.#awaitBody();
  }

  /** Keeps bytes until the response is read on. */
  #hold(rest: Buffer): void {
    if (rest.length > 0) this.#held = this.#held === undefined ? rest : Buffer.concat([this.#held, rest]);
    if (!this.#isHeld || (this.#held?.length ?? 0) > MAX_HELD_BYTES) this.#socket.pause();
  }

  /** The head may take its time from the last byte of the request on. */
  #awaitHead(): void {
    if (this.#exchange !== undefined && this.#start === undefined)
      this.#deadline.set(this.#exchange.request.headersTimeout);
  }

  #awaitBody(): void {
    const timeoutMs = this.#exchange?.request.bodyTimeout;
    if (timeoutMs === undefined || timeoutMs === 0) this.#deadline.clear();
    else this.#deadline.set(timeoutMs);
  }

  /** The response is complete; more bytes may have come after it, or without a request. */
  #finish(hasExcess: boolean): void {
    const start = this.#start;
    const keepAliveMs = (start?.keepAliveMs ?? Infinity) - KEEP_ALIVE_MARGIN_MS;
    const mayReuse = this.#mayReuse && start?.isReusable === true && keepAliveMs > 0;
    // SECURITY: bytes that no request asked for would become part of the next response, and a request that is still being sent
    // part of the next request.
    if (!mayReuse || hasExcess || this.#sending !== undefined) return this.#close(closed());
    this.#deadline.set(Math.min(this.#owner.idleMs, keepAliveMs));
    // Its last event may have paused it.
    if (this.#parser.isPaused) {
      this.#parser.isPaused = false;
      this.#isHeld = false;
      this.#socket.resume();
    }
    this.#owner.onUnused(this);
  }

  #onEof(): void {
    this.#hasEnded = true;
    if (this.#parser.isPaused && !this.#parser.isDone) return;
    try {
      this.#parser.finish(true);
    } catch (error) {
      return this.#close(error);
    }
    this.#close(closed());
  }

  #onBroken(cause: Error): void {
    // The whole response has come, and its rest is parsed once it is read on.
    if (this.#hasEnded && this.#parser.isPaused) return;
    this.#close(this.#explain(cause));
  }

  #onDeadline(): void {
    if (this.#exchange === undefined) return this.#close(closed());
    const { headersTimeout } = this.#exchange.request;
    if (this.#start !== undefined) return this.#close(late('the response body of the upstream stalled'));
    // While the client sends its body slowly, only the limits of the body apply.
    if (this.#sending !== undefined && !this.#socket.writableNeedDrain)
      return this.#deadline.set(headersTimeout);
    this.#close(late('the upstream sent no response in time'));
  }

  /** What a broken connection means for the exchange. */
  #explain(cause: Error): Error {
    try {
      this.#parser.finish(false);
    } catch (error) {
      if (error instanceof CallError) return new CallError(error.kind, error.message, { cause });
    }
    return cause;
  }

  #close(error: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parser.isPaused = true;
    this.#deadline.close();
    this.#socket.destroy();
    this.#sending?.cancel();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#owner.onClosed(this);
    exchange?.fail(error);
    exchange?.release();
  }
}

function closed(): CallError {
  return new CallError('closed', 'the connection to the upstream is closed');
}

function late(message: string): CallError {
  return new CallError('timeout', message);
}
