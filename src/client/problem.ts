import type { StepUp } from './events.ts';

/**
 * A response whose problem (RFC 9457) a client can read: one of `fetch`, one of axios or any other as
 * `{ status, headers, data }`, or an `XMLHttpRequest` that is done.
 */
export type ReadableResponse = Response | XMLHttpRequest | { status: number; headers: object; data: unknown };

/** The members of the gateway's problems that a client uses. Those of an API, which pass unchanged, can be of any type. */
export interface Problem {
  code?: string;
  loginUrl?: string;
  stepUp?: StepUp['stepUp'];
}

/**
 * Returns the problem of a response without consuming a `Response`'s body; an empty one when the response is not
 * `application/problem+json` or does not parse.
 */
export async function readProblem(response: ReadableResponse): Promise<Problem> {
  if (!String(contentTypeOf(response)).startsWith('application/problem+json')) return {};
  try {
    const body = await bodyOf(response);
    const problem: Problem | null = typeof body === 'string' ? JSON.parse(body) : body;
    return problem ?? {};
  } catch {
    return {};
  }
}

function bodyOf(response: ReadableResponse) {
  if ('data' in response) return response.data;
  return 'response' in response ? response.response : response.clone().json();
}

function contentTypeOf(response: ReadableResponse): unknown {
  if ('getResponseHeader' in response) return response.getResponseHeader('content-type');
  const { headers } = response;
  return 'get' in headers && typeof headers.get === 'function' && headers.get('content-type');
}
