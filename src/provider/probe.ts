import type { CustomFetch } from 'openid-client';

/**
 * Asks the server of an endpoint whether it is there: every answer but a failure of its own is a yes. The endpoint itself is
 * left alone. Throws when there is no such answer.
 */
export async function probe(fetch: CustomFetch, endpoint: string, timeoutMs: number): Promise<void> {
  const { status } = await fetch(new URL('/', endpoint).href, {
    method: 'HEAD',
    headers: {},
    body: null,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (status >= 500) throw new Error(`the provider returned ${status}`);
}
