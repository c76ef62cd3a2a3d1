import { expect } from 'vitest';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';

/** Header fields of a browser that opens an address. */
export const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
} as const;

/** Header fields of another site's page that posts a form. */
export const FOREIGN_FORM = {
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'navigate',
  'content-type': 'application/x-www-form-urlencoded',
} as const;

type Problem = Record<string, unknown> & { loginUrl?: string; stepUp?: unknown; reason?: string };

/** Checks what every problem response has (RFC 9457), and returns its document. */
export function expectProblem(response: AgentResponse, status: number, code: string): Problem {
  expect([response.status, response.header('content-type')]).toEqual([status, 'application/problem+json']);
  const problem = response.json() as Problem;
  expect(problem).toMatchObject({ status, code, requestId: response.header('x-request-id') });
  expect(response.header('cache-control')).toBe('no-store');
  expect(response.header('www-authenticate') ?? '').not.toMatch(/basic/i);
  expect(response.header('location')).toBeUndefined();
  if (status === 503 || status === 429) expect(Number(response.header('retry-after'))).toBeGreaterThan(0);
  return problem;
}

/** Checks the redirect with which a failed sign-in leads to the app. */
export function expectAuthError(response: AgentResponse, authError: string, path: string): void {
  expect(response.status).toBe(303);
  const { pathname, searchParams } = new URL(response.header('location') ?? '', 'http://app.invalid');
  expect([pathname, searchParams.getAll('auth_error')]).toEqual([path, [authError]]);
  expect(searchParams.getAll('auth_request_id')).toEqual([response.header('x-request-id')]);
  expect(response.header('cache-control')).toBe('no-store');
  expect(`${response.header('location')}${response.text()}`).not.toContain('words-of-the-provider');
}
