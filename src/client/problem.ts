/**
 * Returns the `code` of a problem response (RFC 9457) without consuming the response's body. Returns undefined when the
 * response is not `application/problem+json` or has no code.
 */
export async function readProblemCode(response: Response): Promise<string | undefined> {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return undefined;
  const problem: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  const hasCode = typeof problem === 'object' && problem !== null && 'code' in problem;
  return hasCode && typeof problem.code === 'string' ? problem.code : undefined;
}
