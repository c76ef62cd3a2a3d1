import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { readBodyText } from './body-text.ts';

/**
 * Reads the JSON object that a page posts to an endpoint of ours. Throws `bad_request` or `body_too_large`. No form of
 * another site can send one: its media type is none of theirs.
 *
 * SECURITY: it may hold a password. It is put into no error: what JSON.parse says of a text that it cannot read quotes it.
 */
export async function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Readonly<Record<string, unknown>>> {
  const value = parse(await readBodyText(request, response, 'application/json'));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new GatewayError('bad_request', { detail: 'The body is not a JSON object.' });
  return { ...value };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
