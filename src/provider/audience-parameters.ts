import type { Audience } from '../tokens/audience.ts';

/**
 * The parameters of a token request that name the audience of the access token (RFC 6749, section 6; RFC 8707, section 2).
 * `usualResource` is named for an audience without resources.
 */
export function forAudience({ resources, scopes }: Audience, usualResource?: string): URLSearchParams {
  const named = resources.length === 0 && usualResource !== undefined ? [usualResource] : resources;
  const parameters = new URLSearchParams(named.map((resource) => ['resource', resource]));
  if (scopes.length > 0) parameters.set('scope', scopes.join(' '));
  return parameters;
}
