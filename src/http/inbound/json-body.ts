import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { readBodyText } from './body-text.ts';

/**
 * Reads a JSON object posted to a gateway endpoint. Throws `bad_request` or `body_too_large`. Another site's form cannot
 * send one, because a form cannot have this media type.
 *
 * SECURITY: the body may contain a password, so no error carries it: the message of JSON.parse quotes its input.
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
