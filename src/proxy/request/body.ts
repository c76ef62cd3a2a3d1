import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { GatewayError } from '../../errors.ts';
import { isSending, linger } from '../../http/server/lingering-close.ts';

/** The body of a request on its way upstream. */
export type RequestBody = {
  /** What to send: nothing, the whole body, or the stream as it arrives. */
  readonly content: null | Buffer | Readable;
  /** What to send a second time; undefined when the body is too large or incomplete. */
  again(): null | Buffer | undefined;
};

type BodyLimits = {
  /** The largest accepted body, in bytes; 0 means no limit. */
  maxBytes: number;
  /** The largest body that is kept to be sent again, in bytes. */
  replayBytes: number;
  /** How long the body may stall, in milliseconds; 0 means no limit. */
  idleMs: number;
};

const none: RequestBody = { content: null, again: () => null };
const nothing = Buffer.alloc(0);

/**
 * Opens the body of a request: a small one of known length is read whole, any other is streamed, and recorded as far as
 * it may be sent again. A body beyond the limit is `body_too_large`: thrown, or the error of its stream.
 */
export async function openRequestBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
): Promise<RequestBody> {
  const declared = request.headers['content-length'];
  // The guard rejects every other coding.
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (!isChunked && (declared === undefined || declared === '0')) return none;
  const length = isChunked ? undefined : Number(declared);
  if (length !== undefined && limits.maxBytes > 0 && length > limits.maxBytes)
    throw tooLarge(limits.maxBytes);

  // The client may have disconnected while its session was loaded: none of the events below would then occur.
  if (response.destroyed) throw new Error('the client has disconnected');
  // Sends 100 Continue only now, after all checks (RFC 9110, section 10.1.1).
  if (request.headers.expect !== undefined) {
    response.writeContinue();
    // Removes the expectation: if the request is rejected later, the client is already sending.
    delete request.headers.expect;
  }
  watchProgress(request, limits.idleMs);
  if (length !== undefined && length <= limits.replayBytes) {
    const whole = await readWhole(request);
    return { content: whole, again: () => whole };
  }
  return record(request, response, limits);
}

function readWhole(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let whole: Buffer = nothing;
    request.on('data', (chunk: Buffer) => {
      whole = whole.length === 0 ? chunk : Buffer.concat([whole, chunk]);
    });
    request.once('end', () => resolve(whole));
    request.once('error', reject);
    request.once('close', () => reject(new Error('the client has disconnected')));
  });
}

/**
 * The stream to send, and a recording of it. It is not the request itself: the stream is destroyed when the upstream
 * responds early or fails, and destroying the request would close the browser's connection before its response.
 *
 * Settles with the first piece: the head of a request goes out with it, and a connection that is taken before would stand idle
 * until the upstream closes it.
 */
async function record(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
): Promise<RequestBody> {
  let recorded: Buffer[] | undefined = [];
  let size = 0;
  let complete = false;
  const content = new Readable({ read: () => void request.resume() });
  request.on('data', (chunk: Buffer) => {
    if (content.destroyed) return;
    size += chunk.length;
    if (size > limits.replayBytes) recorded = undefined;
    else recorded?.push(chunk);
    if (limits.maxBytes > 0 && size > limits.maxBytes) content.destroy(tooLarge(limits.maxBytes));
    else if (!content.push(chunk)) request.pause();
  });
  request.once('end', () => {
    complete = true;
    content.push(null);
  });
  request.once('close', () => {
    if (!complete) content.destroy(new Error('the client has disconnected'));
  });
  content.on('error', () => undefined); // The sender may have stopped listening.
  // Nothing else destroys it when there is no connection.
  response.once('close', () => content.destroy());
  content.once('close', () => {
    // Unread data would keep the request and its listeners in memory for ever.
    if (isSending(request)) linger(request);
    else request.resume();
  });
  await new Promise((resolve) => {
    request.once('data', resolve);
    request.once('close', resolve);
  });
  // SECURITY: a body that failed before it is sent must not look like an empty one.
  if (content.errored !== null) throw content.errored;
  return {
    content,
    again: () => (complete && recorded !== undefined ? Buffer.concat(recorded) : undefined),
  };
}

/** The minimum rate of a body, in bytes per second, averaged over each idle timeout. */
const LEAST_RATE = 100;

/**
 * Gives up on a client whose body stalls or is too slow. The idle timer is that of the socket, which any byte
 * resets: alone it would let one byte a minute hold a connection to the upstream for months.
 */
function watchProgress(request: IncomingMessage, idleMs: number): void {
  if (idleMs === 0) return;
  let bytesBefore = request.socket.bytesRead;
  let wasHeldUp = false;
  request.on('pause', () => (wasHeldUp = true));
  const look = setInterval(() => {
    const bytes = request.socket.bytesRead - bytesBefore;
    if (!wasHeldUp && bytes < (LEAST_RATE * idleMs) / 1000) request.destroy();
    bytesBefore += bytes;
    wasHeldUp = request.isPaused();
  }, idleMs);
  request.once('end', () => clearInterval(look)).once('close', () => clearInterval(look));
  request.setTimeout(idleMs, () => {
    if (request.complete) return;
    // While the upstream reads nothing, the client cannot send: then only the time-outs of the call apply.
    if (request.isPaused()) request.socket.setTimeout(idleMs);
    else request.destroy();
  });
  request.once('end', () => request.setTimeout(0));
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', {
    detail: `The request body may have at most ${maxBytes} bytes.`,
  });
}
