import { STATUS_CODES } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** An error as an answer: a problem document (RFC 9457) and the headers that belong to it. */
export type Problem = { status: number; headers: Record<string, string>; body: string };

/** Makes the answer to an error. */
export type Problems = (error: unknown, requestId: string) => Problem;

/** The one place where errors become answers. An error that is no {@link GatewayError} says nothing about itself. */
export function createProblems(loginUrl: string): Problems {
  return (error, requestId) => {
    const known =
      error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
    const { code, status, options } = known;
    const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
    if (options.retryAfterSeconds !== undefined) headers['Retry-After'] = String(options.retryAfterSeconds);
    if (options.allow !== undefined) headers['Allow'] = options.allow.join(', ');
    const document = {
      title: STATUS_CODES[status],
      status,
      code,
      detail: options.detail,
      reason: options.reason,
      loginUrl: status === 401 ? loginUrl : undefined,
      requestId,
    };
    return { status, headers, body: escapeMarkup(JSON.stringify(document)) };
  };
}

/** SECURITY: a reason may carry text from a URL: nothing in it may read as markup, whatever type a client takes it for. */
function escapeMarkup(json: string): string {
  return json.replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
