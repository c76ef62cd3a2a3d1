import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';

/** The body of a request on its way upstream. */
export type RequestBody = {
  /** What to send: nothing, the whole body, or the stream as it arrives. */
  readonly content: null | Buffer | Readable;
  /** What to send a second time, or undefined when that cannot be done: the body is too large, or not all here. */
  again(): null | Buffer | undefined;
};

type BodyLimits = {
  /** The largest body that passes, in bytes; 0 for any. */
  maxBytes: number;
  /** The largest body that is kept to be sent again, in bytes. */
  replayBytes: number;
  /** How long the body may stand still, in milliseconds; 0 for ever. */
  idleMs: number;
};

const none: RequestBody = { content: null, again: () => null };

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
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  if (!isChunked && (declared === undefined || declared === '0')) return none;
  const length = isChunked ? undefined : Number(declared);
  if (length !== undefined && limits.maxBytes > 0 && length > limits.maxBytes)
    throw tooLarge(limits.maxBytes);

  // Only now is the client invited to send what it announced (RFC 9110, section 10.1.1): it has been let in.
  if (request.headers.expect !== undefined) response.writeContinue();
  watchProgress(request, limits.idleMs);
  if (length !== undefined && length <= limits.replayBytes) {
    const whole = await readWhole(request);
    return { content: whole, again: () => whole };
  }
  return record(request, limits);
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

/**
 * The stream that is sent, and the record of it. It is not the request itself: whoever sends it destroys it when the
 * upstream answers early or fails, and with the request the browser's connection would go, before it has its answer.
 */
function record(request: IncomingMessage, limits: BodyLimits): RequestBody {
  let recorded: Buffer[] | undefined = [];
  let size = 0;
  let complete = false;
  const content = new Readable({ read: () => void request.resume() });
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > limits.replayBytes) recorded = undefined;
    else recorded?.push(chunk);
    if (limits.maxBytes > 0 && size > limits.maxBytes) content.destroy(tooLarge(limits.maxBytes));
    else if (!content.destroyed && !content.push(chunk)) request.pause();
  });
  request.once('end', () => {
    complete = true;
    content.push(null);
  });
  request.once('error', (error) => content.destroy(error));
  request.pause();
  return {
    content,
    again: () => (complete && recorded !== undefined ? Buffer.concat(recorded) : undefined),
  };
}

/** Gives up on a client whose body stands still. The timer is the socket's, which any byte sets back. */
function watchProgress(request: IncomingMessage, idleMs: number): void {
  if (idleMs === 0) return;
  request.setTimeout(idleMs, () => {
    if (!request.complete) request.destroy();
  });
  request.once('end', () => request.setTimeout(0));
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', {
    detail: `A request body may have at most ${maxBytes} bytes here.`,
  });
}
