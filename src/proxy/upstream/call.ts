import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { WriteBatch } from '../../performance/write-batch.ts';
import type { ResponseWriter } from '../response/writer.ts';
import type { ConnectionSlots } from './connection-slots.ts';
import { explainBrokenResponse } from './errors.ts';

/** One call to an upstream. */
export type UpstreamCall = {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  /** A flat list of names and values. */
  readonly headers: string[];
  readonly body: null | Buffer | Readable;
  /** All in milliseconds; `bodyTimeout` 0 is none. */
  readonly connectTimeout: number;
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
};

/**
 * Looks at the head of an answer before any of it goes to the browser. Undefined lets it pass at once; a promise holds
 * it back, and it passes when that gives `pass` or is thrown away when it gives `discard`.
 */
export type Inspect = (
  status: number,
  headers: IncomingHttpHeaders,
) => Promise<'pass' | 'discard'> | undefined;

/** How a call ended: its answer went to the browser, was thrown away, or the browser went first. */
export type ForwardResult = 'passed' | 'discarded' | 'abandoned';

/** What an answer that is thrown away may still send before its connection is given up, in bytes. */
const MAX_DISCARDED_BYTES = 65_536;

/**
 * Makes a call by undici's `dispatch` and streams the answer to the browser, with backpressure both ways. When the
 * browser goes away the call is cancelled. Rejects when the call fails before any of its answer has passed; a failure
 * after that cuts the browser's answer off, so that it is not taken for whole.
 */
export function forward(
  dispatcher: () => Dispatcher,
  call: UpstreamCall,
  response: ServerResponse,
  downstream: ResponseWriter,
  inspect: Inspect,
  places: ConnectionSlots,
  turn: WriteBatch,
): Promise<ForwardResult> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let stage: 'waiting' | 'beginning' | 'held' | 'passing' | 'discarding' = 'waiting';
    /** How an answer ended while it was held: at its end, for it has no body, or with its connection. */
    let ended: IncomingHttpHeaders | undefined;
    let lost: Error | undefined;
    let discarded = 0;

    const abandon = () => {
      if (response.writableFinished) return;
      places.forgo(send);
      resolve('abandoned');
      controller?.abort(new Error('the client has disconnected'));
    };
    response.once('close', abandon);

    const pass = (status: number, headers: IncomingHttpHeaders) => {
      downstream.begin(status, headers);
      stage = 'passing';
    };
    const discard = () => {
      stage = 'discarding';
      response.off('close', abandon);
      resolve('discarded');
    };
    const fail = (error: unknown) => {
      if (stage === 'passing') response.destroy();
      stage = 'discarding';
      response.off('close', abandon);
      reject(error);
    };

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(started) {
        controller = started;
        if (response.destroyed) started.abort(new Error('the client has disconnected'));
      },
      onResponseStarted() {
        stage = 'beginning';
      },
      onResponseStart(current, status, headers) {
        if (status < 200) return;
        const verdict = inspect(status, headers);
        if (verdict === undefined) return pass(status, headers);
        stage = 'held';
        current.pause();
        void verdict
          .then((word) => {
            if (stage !== 'held') return;
            if (word === 'discard') return discard();
            if (lost !== undefined && headers['content-length'] !== '0') return fail(lost);
            pass(status, headers);
            if (ended === undefined && lost === undefined) return;
            downstream.end(ended ?? {});
            resolve('passed');
          })
          .catch(fail)
          .finally(() => current.resume());
      },
      onResponseData(current, chunk) {
        if (stage === 'passing') {
          if (downstream.write(chunk)) return;
          current.pause();
          response.once('drain', () => current.resume());
          return;
        }
        discarded += chunk.length;
        if (discarded > MAX_DISCARDED_BYTES)
          current.abort(new Error('the response body is too large to discard'));
      },
      onResponseEnd(_current, trailers) {
        if (stage === 'held') ended = trailers;
        else if (stage === 'passing') {
          downstream.end(trailers);
          response.off('close', abandon);
          resolve('passed');
        }
        places.leave();
      },
      onResponseError(_current, error) {
        places.leave();
        // SECURITY: with a part of an answer there is no more trying again; whatever it was, it was no HTTP.
        if (stage === 'beginning') fail(explainBrokenResponse(error));
        // What it asks for can be had without the rest of it: another token.
        else if (stage === 'held') lost = error;
        else if (stage !== 'discarding') fail(error);
      },
    };
    const send = () => {
      try {
        // Found only now: one that was found before this may have been put out of use meanwhile.
        dispatcher().dispatch(call, handler);
      } catch (error) {
        places.leave();
        fail(error);
      }
    };
    if (places.take(send, fail)) turn.add(send);
  });
}
