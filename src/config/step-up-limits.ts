import type { Config } from './schema/schema.ts';

/** What an API may require in a step-up. */
export type StepUpLimits = {
  /** The values of a list that a sign-in may bring, in the same order. Without a fixed `acr_values`, all of them. */
  permittedAcrValues(acrValues: readonly string[]): readonly string[];
  isPermittedScope(scope: string): boolean;
};

/**
 * Reads from the configuration what an API may require in a step-up.
 *
 * SECURITY: an API chooses what it asks for. A fixed `acr_values` is what every sign-in must meet, and the order of
 * strength is unknown: an API must not replace it by a weaker one. A session's token is sent to all routes: where the operator
 * lists the scopes of step-ups, a compromised API cannot widen it beyond these.
 */
export function stepUpLimitsOf({
  provider,
  login,
  routes,
}: Pick<Config, 'provider' | 'login' | 'routes'>): StepUpLimits {
  const { stepUp } = login;
  const fixed = provider.authorizationParams?.['acr_values']?.split(' ');
  const acrValues = fixed && new Set([...fixed, ...stepUp.acrValues]);
  const scopes =
    stepUp.scopes === 'any'
      ? undefined
      : new Set([
          ...stepUp.scopes,
          ...(provider.scopes ?? []),
          ...routes.flatMap(({ scopes: ofRoute }) => ofRoute),
        ]);
  return {
    permittedAcrValues: (values) =>
      acrValues === undefined ? values : values.filter((value) => acrValues.has(value)),
    isPermittedScope: (scope) => scopes === undefined || scopes.has(scope),
  };
}
