import { STATUS_CODES } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { inertHeaders } from '../security-headers.ts';

/** An error as a response: a problem document (RFC 9457) and all of its header fields. */
export type Problem = { status: number; headers: Record<string, string>; body: string };

/** Makes the response to an error. */
export type Problems = (error: unknown, requestId: string) => Problem;

/**
 * The one place where errors become responses, on both listeners and on refused upgrades. An error that is no
 * {@link GatewayError} says nothing about itself.
 */
export function createProblems(deps: { secure: boolean; loginUrl: string | undefined }): Problems {
  const { secure, loginUrl } = deps;
  const common = { ...inertHeaders(secure), 'content-type': 'application/problem+json' };
  return (error, requestId) => {
    const known =
      error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
    const { code, status, options } = known;
    const headers: Record<string, string> = { ...common, 'x-request-id': requestId };
    if (options.retryAfterSeconds !== undefined) headers['retry-after'] = String(options.retryAfterSeconds);
    if (options.allow !== undefined) headers['allow'] = options.allow.join(', ');
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
