import { readLifetimeSeconds } from '../../tokens/lifetime.ts';
import { parseJson } from '../http/json-value.ts';
import { detachIdToken } from '../token-response.ts';

/** How long a sign-in on another device may take when the server does not say, in seconds. */
const DEFAULT_LIFETIME_SECONDS = 300;

/**
 * Turns the response of a configured decoupled endpoint into that of OpenID CIBA, section 7.3: the identifier may be called
 * `code`. A token response is normalised as at any other token endpoint.
 */
export function readDecoupledResponse(text: string): string {
  const json = parseJson(text);
  if (typeof json !== 'object' || json === null) return text;
  const {
    auth_req_id: requestId,
    code = requestId,
    expires_in: lifetime,
    interval,
    ...rest
  }: Record<string, unknown> = { ...json };
  const isSignInStarted = typeof code === 'string' && !('access_token' in rest) && !('error' in rest);
  if (!isSignInStarted) return detachIdToken(text);
  return JSON.stringify({
    auth_req_id: code,
    expires_in: readLifetimeSeconds(lifetime) ?? DEFAULT_LIFETIME_SECONDS,
    interval: readLifetimeSeconds(interval),
  });
}
