import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { ResponseWriter } from '../response/writer.ts';
import { createCallStates } from './call-state.ts';
import type { ConnectionSlots } from './connection-slots.ts';
import { explainBrokenResponse } from './errors.ts';
import { createInformationalLimit } from './informational-limit.ts';
import { readResponseHead, type ResponseHead } from './response-head.ts';

/** One call to an upstream, as undici's `dispatch` takes it. */
export type UpstreamCall = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  /** A flat list of names and values. */
  readonly headers: string[];
  readonly body: null | Buffer | Readable;
  /** True when the connection must not be used for another request. */
  readonly reset: boolean;
  /** All in milliseconds; `bodyTimeout` 0 is none. */
  readonly connectTimeout: number;
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
};

/**
 * Inspects the head of a response before any of it goes to the browser. Undefined passes it on at once; a promise holds it
 * back, until it gives `pass` or `discard`.
 */
export type Inspect = (head: ResponseHead) => Promise<'pass' | 'discard'> | undefined;

/** How a call ended: its response went to the browser, was discarded, or the browser disconnected first. */
export type ForwardResult = 'passed' | 'discarded' | 'abandoned';

export type ForwardOptions = {
  /** Called when the request is sent: a pool found earlier may have been retired meanwhile. */
  readonly dispatcher: () => Dispatcher;
  readonly call: UpstreamCall;
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
type HeldEnd = { readonly trailers: IncomingHttpHeaders } | { readonly error: Error };

/**
 * Makes a call by undici's `dispatch` and streams the response to the browser, with backpressure both ways. When the browser
 * disconnects, the call is cancelled. Rejects when the call fails before any of its response has passed; a failure after that
 * also cuts the browser's response off, so that it is not taken for whole.
 */
export function forward(options: ForwardOptions): Promise<ForwardResult> {
  const { dispatcher, call, response, writer, inspect, onConnected, slots, writeBatch } = options;
  return new Promise((resolve, reject) => {
    const states = createCallStates();
    let checkInformational: (() => void) | undefined;
    let controller: Dispatcher.DispatchController | undefined;
    let hasSlot = false;
    let heldEnd: HeldEnd | undefined;
    let discardedBytes = 0;

    const releaseSlot = () => {
      if (!hasSlot) return;
      hasSlot = false;
      slots.release();
    };
    const settle = (result: ForwardResult) => {
      response.off('close', abandon);
      resolve(result);
    };
    const abandon = () => {
      if (response.writableFinished || !states.move('settled')) return;
      slots.forgo(send);
      settle('abandoned');
      controller?.abort(new Error('the client has disconnected'));
    };
    /** Fails the call in any state: no response stays open, and the connection is not reused. */
    const fail = (error: unknown) => {
      if (states.current() === 'discarding' || !states.move('settled')) return;
      response.off('close', abandon);
      if (response.headersSent) response.destroy();
      reject(error);
    };
    const failAndAbort = (error: unknown) => {
      fail(error);
      controller?.abort(error instanceof Error ? error : new Error('the response cannot be forwarded'));
    };
    const pass = ({ status, headers }: ResponseHead) => {
      writer.begin(status, headers);
      states.move('passing');
    };
    const end = (trailers: IncomingHttpHeaders) => {
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
      const lost = heldEnd !== undefined && 'error' in heldEnd ? heldEnd.error : undefined;
      if (lost !== undefined && head.headers['content-length'] !== '0') return fail(lost);
      pass(head);
      if (heldEnd !== undefined) end('trailers' in heldEnd ? heldEnd.trailers : {});
    };

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started;
        onConnected?.();
        if (response.destroyed) started.abort(new Error('the client has disconnected'));
      },
      onResponseStarted() {
        states.move('started');
      },
      onResponseStart(current, status, headers) {
        // SECURITY: whatever an upstream sends, a throw in here must end the response: undici leaves it open.
        try {
          // Informational: another head follows. A status below 100 is invalid, and is rejected below.
          if (status >= 100 && status < 200) {
            checkInformational ??= createInformationalLimit(call.headersTimeout);
            return checkInformational();
          }
          const head = readResponseHead(status, headers);
          const verdict = inspect(head);
          if (verdict === undefined) return pass(head);
          states.move('held');
          current.pause();
          verdict
            .then((verdict) => decide(head, verdict))
            .catch(failAndAbort)
            .finally(() => current.resume());
        } catch (error) {
          failAndAbort(explainBrokenResponse(error));
        }
      },
      onResponseData(current, chunk) {
        if (states.current() === 'passing') {
          if (writer.write(chunk)) return;
          current.pause();
          response.once('drain', () => current.resume());
          return;
        }
        discardedBytes += chunk.length;
        if (discardedBytes > MAX_DISCARDED_BYTES)
          current.abort(new Error('the response body is too large to discard'));
      },
      onResponseEnd(_current, trailers) {
        releaseSlot();
        const state = states.current();
        if (state === 'held') heldEnd = { trailers };
        if (state !== 'passing') return;
        try {
          end(trailers);
        } catch (error) {
          fail(error);
        }
      },
      onResponseError(_current, error) {
        releaseSlot();
        const state = states.current();
        // The gateway can get another token without the rest of the held response.
        if (state === 'held') heldEnd = { error };
        // SECURITY: a call with a partial response must not be repeated; the response was not valid HTTP.
        else fail(state === 'started' ? explainBrokenResponse(error) : error);
      },
    };
    const send = () => {
      hasSlot = true;
      states.move('sent');
      try {
        dispatcher().dispatch(call, handler);
      } catch (error) {
        releaseSlot();
        fail(error);
      }
    };

    response.on('close', abandon);
    if (slots.take(send, fail)) writeBatch.add(send);
  });
}
