import type { CustomFetch } from 'openid-client';

/**
 * Turns every 2xx into the 200 that openid-client 6 asks for. Some decoupled endpoints use 201 or 202 for a sign-in that has
 * started, and a token endpoint with another 2xx may have used up the refresh token.
 */
export function acceptAnySuccess(fetch: CustomFetch): CustomFetch {
  return async (url, options) => {
    const response = await fetch(url, options);
    if (!response.ok || response.status === 200) return response;
    return new Response(response.body, { status: 200, headers: response.headers });
  };
}
