/**
 * Reads the `code` of a problem answer (RFC 9457) and leaves the response's own body unread.
 * Undefined when the answer is not `application/problem+json` or carries no code.
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
