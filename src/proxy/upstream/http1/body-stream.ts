import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { CallError } from './call-error.ts';

/** What a body that is sent reports. */
export type BodyEvents = {
  /** Some of it was written, or all that the socket had taken is on its way. */
  onProgress(): void;
  /** All of it was written. */
  onEnd(): void;
  onError(error: Error): void;
};

/** A body on its way. */
export type BodyStream = {
  /** Stops, and destroys the stream. */
  cancel(): void;
};

/**
 * Sends a stream after the head: `contentLength` bytes, or chunks when it is undefined. It takes no more from the stream than the
 * socket takes. The head goes out with the first piece.
 */
export function sendStream(
  socket: Socket,
  head: string,
  body: Readable,
  contentLength: number | undefined,
  events: BodyEvents,
): BodyStream {
  let unsentHead = head;
  let sent = 0;

  const stop = () => {
    body.off('data', write).off('end', end).off('error', fail).off('close', close);
    socket.off('drain', resume);
  };
  const fail = (error: Error) => {
    stop();
    // It may have another error later.
    body.on('error', () => undefined).destroy();
    events.onError(error);
  };
  const close = () => fail(new CallError('aborted', 'the request body ended early'));
  const resume = () => {
    events.onProgress();
    body.resume();
  };
  const write = (chunk: Buffer) => {
    sent += chunk.length;
    // SECURITY: bytes beyond the announced length would begin another request.
    if (contentLength !== undefined && sent > contentLength) return fail(wrongLength());
    socket.cork();
    const before = contentLength === undefined ? `${unsentHead}${chunk.length.toString(16)}\r\n` : unsentHead;
    if (before !== '') socket.write(before, 'latin1');
    unsentHead = '';
    let wantsMore = socket.write(chunk);
    if (contentLength === undefined) wantsMore = socket.write('\r\n', 'latin1');
    socket.uncork();
    events.onProgress();
    if (!wantsMore) body.pause();
  };
  const end = () => {
    stop();
    if (contentLength !== undefined && sent !== contentLength) return events.onError(wrongLength());
    const last = contentLength === undefined ? `${unsentHead}0\r\n\r\n` : unsentHead;
    if (last !== '') socket.write(last, 'latin1');
    events.onEnd();
  };

  // None of the events below would occur.
  if (body.destroyed) {
    events.onError(body.errored ?? new CallError('aborted', 'the request body ended early'));
    return { cancel: () => undefined };
  }
  body.on('data', write).on('end', end).on('error', fail).on('close', close);
  socket.on('drain', resume);
  return {
    cancel() {
      stop();
      body.on('error', () => undefined).destroy();
    },
  };
}

function wrongLength(): CallError {
  return new CallError('aborted', 'the request body has another length than it announced');
}
