import type { RouteScopes } from '../config/route-scopes.ts';
import type { StepUpRequirement } from '../errors.ts';

type Parameters = Readonly<Record<string, string>>;

/**
 * Adds a step-up to the parameters of an authorization request (RFC 9470, section 5). Scopes and resources are added to those
 * of every sign-in. One that names nothing asks for a new authentication.
 */
export function withStepUp(parameters: Parameters, stepUp: StepUpRequirement | undefined): URLSearchParams {
  const all = new URLSearchParams(parameters);
  if (stepUp === undefined) return all;
  const { acrValues, maxAge, scopes, resources } = stepUp;
  const namesNothing =
    maxAge === undefined && [acrValues, scopes, resources].every(({ length }) => length === 0);
  if (namesNothing) all.set('prompt', withLogin(all.get('prompt')));
  if (acrValues.length > 0) all.set('acr_values', acrValues.join(' '));
  if (maxAge !== undefined)
    all.set('max_age', String(Math.min(maxAge, Number(all.get('max_age') ?? maxAge))));
  if (scopes.length > 0) {
    const usual = all.get('scope')?.split(' ') ?? [];
    all.set('scope', [...new Set([...usual, ...scopes])].join(' '));
  }
  for (const resource of resources) if (!all.has('resource', resource)) all.append('resource', resource);
  return all;
}

/** A fixed prompt such as `consent` stays: without it, some providers issue no refresh token. */
function withLogin(prompt: string | null): string {
  const others = prompt?.split(' ').filter((value) => value !== 'none') ?? [];
  return [...new Set(['login', ...others])].join(' ');
}

/** The scopes of every sign-in: the configured ones, and those of the routes where it asks for them. */
export function withRouteScopes(scopes: readonly string[], ofRoutes: RouteScopes | undefined): string[] {
  return [...new Set([...scopes, ...(ofRoutes?.scopes ?? [])])];
}
