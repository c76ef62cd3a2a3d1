import type { CustomFetch } from 'openid-client';

/** Calls a userinfo endpoint with an access token (OpenID Connect Core, section 5.3.1). */
export function requestUserinfo(
  endpoint: string,
  { accessToken, fetch, timeoutMs }: { accessToken: string; fetch: CustomFetch; timeoutMs: number },
): Promise<Response> {
  return fetch(endpoint, {
    method: 'GET',
    headers: { accept: 'application/json', authorization: `Bearer ${accessToken}` },
    body: null,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
}
