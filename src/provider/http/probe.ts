import type { CustomFetch } from 'openid-client';

/** Checks that the server of an endpoint responds, without calling the endpoint. Throws for no response and for a 5xx. */
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
