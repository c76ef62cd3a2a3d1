import { z } from 'zod';
import type { StepUpRequirement } from '../errors.ts';
import type { Audience } from '../tokens/audience.ts';

const texts = z.array(z.string()).readonly();

/** The shape of a {@link StepUpRequirement} that was sealed. */
export const stepUpRequirement = z.object({
  acrValues: texts,
  maxAge: z.number().optional(),
  scopes: texts,
  audienceScopes: z.record(z.string(), texts).readonly().optional(),
  resources: texts,
});

/** What earlier step-ups of a session brought. A later sign-in may lose it: the age of an authentication never lasts. */
export type SteppedUp = Omit<StepUpRequirement, 'maxAge'>;

/** Adds to a requirement what earlier step-ups brought, so that a step-up for one route does not undo that for another. */
export function withEarlier(required: StepUpRequirement, earlier: SteppedUp | undefined): StepUpRequirement {
  if (earlier === undefined) return required;
  return {
    acrValues: bothOrLater(required.acrValues, earlier.acrValues),
    maxAge: required.maxAge,
    scopes: union(required.scopes, earlier.scopes),
    audienceScopes: mergeScopes(required.audienceScopes, earlier.audienceScopes),
    resources: union(required.resources, earlier.resources),
  };
}

/** A sign-in has one `acr`: one that meets both requirements, or the later one where none meets both. */
function bothOrLater(required: readonly string[], earlier: readonly string[]): readonly string[] {
  if (required.length === 0) return earlier;
  const both = required.filter((value) => earlier.includes(value));
  return both.length > 0 ? both : required;
}

/** The audience for which a token is requested: with the scopes that a step-up brought for it. */
export function widened(audience: Audience, { audienceScopes }: Partial<SteppedUp> = {}): Audience {
  const further = audienceScopes?.[audience.id];
  return further === undefined ? audience : { ...audience, scopes: union(audience.scopes, further) };
}

/** True if the step-ups of a session have asked for everything that an audience needs. */
export function hasAskedFor({ scopes, resources }: Audience, steppedUp: SteppedUp | undefined): boolean {
  return (
    steppedUp !== undefined &&
    scopes.every((scope) => steppedUp.scopes.includes(scope)) &&
    resources.every((resource) => steppedUp.resources.includes(resource))
  );
}

function mergeScopes(
  a: StepUpRequirement['audienceScopes'] = {},
  b: StepUpRequirement['audienceScopes'] = {},
): StepUpRequirement['audienceScopes'] {
  const ids = union(Object.keys(a), Object.keys(b));
  return ids.length === 0
    ? undefined
    : Object.fromEntries(ids.map((id) => [id, union(a[id] ?? [], b[id] ?? [])]));
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])];
}
