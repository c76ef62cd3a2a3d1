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
 * `application/problem+json`. Of a step-up whose body cannot be read, a header field says where the sign-in is.
 */
export async function readProblem(response: ReadableResponse): Promise<Problem> {
  if (!`${fieldOf(response, 'content-type')}`.startsWith('application/problem+json')) return {};
  try {
    const body = await bodyOf(response);
    const problem: Problem | null = typeof body === 'string' ? JSON.parse(body) : body;
    if (problem?.code) return problem;
  } catch {}
  const loginUrl = fieldOf(response, 'x-login-url');
  return loginUrl ? { code: 'step_up_required', loginUrl } : {};
}

function bodyOf(response: ReadableResponse) {
  if ('data' in response) return response.data;
  return 'response' in response ? response.response : response.clone().json();
}

function fieldOf(response: ReadableResponse, name: string) {
  if ('getResponseHeader' in response) return response.getResponseHeader(name);
  const { headers }: { headers: { get?(name: string): string | null } } = response;
  return headers.get?.(name);
}
