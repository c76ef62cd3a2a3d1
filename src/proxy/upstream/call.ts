import type { ServerResponse } from 'node:http';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { ResponseWriter } from '../response/writer.ts';
import { createCallStates } from './call-state.ts';
import type { ConnectionSlots } from './connection-slots.ts';
import type { Exchange, OutgoingRequest, ResponseHandler } from './http1/exchange.ts';
import type { ConnectionPool } from './http1/pool.ts';
import type { Fields } from './http1/response-fields.ts';
import { readResponseHead, type ResponseHead } from './response-head.ts';

/**
 * Inspects the head of a response before any of it goes to the browser. Undefined passes it on at once; a promise holds it
 * back, until it gives `pass` or `discard`.
 */
export type Inspect = (head: ResponseHead) => Promise<'pass' | 'discard'> | undefined;

/** How a call ended: its response went to the browser, was discarded, or the browser disconnected first. */
export type ForwardResult = 'passed' | 'discarded' | 'abandoned';

export type ForwardOptions = {
  /** Called when the request is sent: a pool found earlier may have been retired meanwhile. */
  readonly pool: () => ConnectionPool;
  readonly request: OutgoingRequest;
  readonly response: ServerResponse;
  readonly writer: ResponseWriter;
  readonly inspect: Inspect;
  /** Called once there is a connection, before anything is written to it. */
  readonly onConnected?: () => void;
  readonly slots: ConnectionSlots;
  readonly writeBatch: WriteBatch;
};

/** How many bytes of a discarded response are read before its connection is closed. */
const MAX_DISCARDED_BYTES = 65_536;

/** How a held response ended: completely, because it has no body, or with its connection. */
type HeldEnd = { readonly trailers: Fields } | { readonly error: unknown };

/**
 * Sends a request and streams the response to the browser, with backpressure both ways. When the browser
 * disconnects, the call is cancelled. Rejects when the call fails before any of its response has passed; a failure after that
 * also cuts the browser's response off, so that it is not taken for whole.
 */
export function forward(options: ForwardOptions): Promise<ForwardResult> {
  const { pool, request, response, writer, inspect, onConnected, slots, writeBatch } = options;
  return new Promise((resolve, reject) => {
    const states = createCallStates();
    let exchange: Exchange | undefined;
    let heldEnd: HeldEnd | undefined;
    let discardedBytes = 0;

    const settle = (result: ForwardResult) => {
      response.off('close', abandon);
      resolve(result);
    };
    const abandon = () => {
      if (response.writableFinished || !states.move('settled')) return;
      slots.forgo(send);
      settle('abandoned');
      exchange?.abort(new Error('the client has disconnected'));
    };
    /** Fails the call in any state: no response stays open, and the connection is not reused. */
    const fail = (error: unknown) => {
      if (states.current() === 'discarding' || !states.move('settled')) return;
      response.off('close', abandon);
      if (response.headersSent) cutOff(response);
      reject(error);
    };
    const failAndAbort = (error: unknown) => {
      fail(error);
      exchange?.abort(error instanceof Error ? error : new Error('the response cannot be forwarded'));
    };
    const pass = ({ status, headers }: ResponseHead) => {
      writer.begin(status, headers);
      states.move('passing');
    };
    const end = (trailers: Fields) => {
      writer.end(trailers);
      states.move('settled');
      settle('passed');
    };

    /** Applies the decision on a held response, which may have ended meanwhile. */
    const decide = (head: ResponseHead, verdict: 'pass' | 'discard') => {
      if (states.current() !== 'held') return;
      if (verdict === 'discard') {
        states.move('discarding');
        return settle('discarded');
      }
      if (heldEnd !== undefined && 'error' in heldEnd) return fail(heldEnd.error);
      pass(head);
      if (heldEnd !== undefined) end(heldEnd.trailers);
    };

    const handler: ResponseHandler = {
      onConnected(connected) {
        exchange = connected;
        onConnected?.();
        if (response.destroyed) connected.abort(new Error('the client has disconnected'));
      },
      onHead({ status, fields, hasRepetitions }) {
        // SECURITY: whatever an upstream sends, a throw in here must end the response.
        try {
          const head = readResponseHead(status, fields, hasRepetitions);
          const verdict = inspect(head);
          if (verdict === undefined) {
            pass(head);
            return 'read';
          }
          states.move('held');
          verdict
            .then((verdict) => decide(head, verdict))
            .catch(failAndAbort)
            .finally(() => exchange?.resume());
        } catch (error) {
          failAndAbort(error);
        }
        return 'hold';
      },
      onData(chunk) {
        if (states.current() === 'passing') {
          if (writer.write(chunk)) return true;
          response.once('drain', () => exchange?.resume());
          return false;
        }
        discardedBytes += chunk.length;
        if (discardedBytes > MAX_DISCARDED_BYTES)
          exchange?.abort(new Error('the response body is too large to discard'));
        return true;
      },
      onEnd(trailers) {
        const state = states.current();
        if (state === 'held') heldEnd = { trailers };
        if (state !== 'passing') return;
        try {
          end(trailers);
        } catch (error) {
          fail(error);
        }
      },
      onError(error) {
        // The gateway can get another token without the rest of the held response.
        if (states.current() === 'held') heldEnd = { error };
        else fail(error);
      },
      onReleased: slots.release,
    };
    const send = () => {
      states.move('sent');
      try {
        exchange = pool().send(request, handler);
      } catch (error) {
        slots.release();
        fail(error);
      }
    };

    response.on('close', abandon);
    if (slots.take(send, fail)) writeBatch.add(send);
  });
}

/** Ends a response early. Its head goes out first: without a byte of it, a browser sends the request again, a POST too. */
function cutOff(response: ServerResponse): void {
  response.flushHeaders();
  response.destroy();
}
