import type { Audience } from '../tokens/audience.ts';

/** The parameters of a token request that name the audience of the access token (RFC 6749, section 6; RFC 8707, section 2). */
export function forAudience({ resources, scopes }: Audience): URLSearchParams {
  const parameters = new URLSearchParams(resources.map((resource) => ['resource', resource]));
  if (scopes.length > 0) parameters.set('scope', scopes.join(' '));
  return parameters;
}
