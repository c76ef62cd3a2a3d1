import type { CustomFetch } from 'openid-client';
import { readLifetimeSeconds } from '../tokens/lifetime.ts';
import { parseJson } from './json-value.ts';
import { detachIdToken } from './token-response.ts';

/** How long a sign-in on another device may take where the server does not say, in seconds. */
const ASSUMED_LIFE_SECONDS = 300;

/**
 * Puts the answer of a configured decoupled endpoint into the words of OpenID CIBA, section 7.3: the attempt's name may be
 * called `code`, as it is where it is redeemed. A token answer is mended as at any other token endpoint.
 */
export function readDecoupledResponse(text: string): string {
  const json = parseJson(text);
  if (typeof json !== 'object' || json === null) return text;
  const {
    auth_req_id: own,
    code = own,
    expires_in: life,
    interval,
    ...rest
  }: Record<string, unknown> = { ...json };
  const isAttempt = typeof code === 'string' && !('access_token' in rest) && !('error' in rest);
  if (!isAttempt) return detachIdToken(text);
  return JSON.stringify({
    auth_req_id: code,
    expires_in: readLifetimeSeconds(life) ?? ASSUMED_LIFE_SECONDS,
    interval: readLifetimeSeconds(interval),
  });
}

/** Takes 201 and 202 for the 200 that CIBA has: endpoints of one's own say that something was begun. */
export function takingAnySuccess(fetch: CustomFetch): CustomFetch {
  return async (url, options) => {
    const response = await fetch(url, options);
    if (response.status !== 201 && response.status !== 202) return response;
    return new Response(response.body, { status: 200, headers: response.headers });
  };
}
