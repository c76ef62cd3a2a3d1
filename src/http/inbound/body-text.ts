import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { trimWhitespace } from '../../fields/whitespace.ts';

/** The largest body that the gateway's own endpoints accept, in bytes. */
const MAX_BYTES = 16_384;
/** How long a client may take to send the whole body, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Reads the body of a request to a gateway endpoint as text. Throws `bad_request` or `body_too_large`. */
export async function readBodyText(
  request: IncomingMessage,
  response: ServerResponse,
  mediaType: string,
): Promise<string> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (trimWhitespace(type).toLowerCase() !== mediaType)
    throw new GatewayError('bad_request', { detail: `Send the body with Content-Type: ${mediaType}.` });
  if (Number(request.headers['content-length'] ?? 0) > MAX_BYTES) throw tooLarge();
  if (request.headers.expect !== undefined) {
    response.writeContinue();
    delete request.headers.expect;
  }
  const timer = setTimeout(() => request.destroy(), TIMEOUT_MS);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.byteLength;
      if (size > MAX_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('bad_request', { detail: 'The body is incomplete.', cause });
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function tooLarge(): GatewayError {
  return new GatewayError('body_too_large', { detail: `The body is larger than ${MAX_BYTES} bytes.` });
}
