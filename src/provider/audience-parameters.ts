import type { Audience } from '../tokens/audience.ts';

/** How a token request says what the access token is to be for (RFC 6749, section 6; RFC 8707, section 2). */
export function forAudience({ resources, scopes }: Audience): URLSearchParams {
  const parameters = new URLSearchParams(resources.map((resource) => ['resource', resource]));
  if (scopes.length > 0) parameters.set('scope', scopes.join(' '));
  return parameters;
}
