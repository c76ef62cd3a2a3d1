import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBodyText } from './body-text.ts';

/** Reads a form posted to a gateway endpoint. Throws `bad_request` or `body_too_large`. */
export async function readFormBody(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<URLSearchParams> {
  return new URLSearchParams(await readBodyText(request, response, 'application/x-www-form-urlencoded'));
}
