import { z } from 'zod';
import type { StepUpRequirement } from '../errors.ts';

const texts = z.array(z.string()).readonly();

/** The shape of a {@link StepUpRequirement} that was sealed. */
export const stepUpRequirement = z.object({
  acrValues: texts,
  maxAge: z.number().optional(),
  scopes: texts,
  resources: texts,
});

/** What earlier step-ups of a session brought. A later sign-in may lose it: the age of an authentication never lasts. */
export type SteppedUp = Omit<StepUpRequirement, 'maxAge'>;

/** Adds to a requirement what earlier step-ups brought, so that a step-up for one route does not undo that for another. */
export function withEarlier(required: StepUpRequirement, earlier: SteppedUp | undefined): StepUpRequirement {
  if (earlier === undefined) return required;
  return {
    acrValues: required.acrValues.length > 0 ? required.acrValues : earlier.acrValues,
    maxAge: required.maxAge,
    scopes: union(required.scopes, earlier.scopes),
    resources: union(required.resources, earlier.resources),
  };
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
