import type { StepUpLimits } from '../../config/step-up-limits.ts';
import { onlyValue } from '../../http/inbound/query.ts';
import type { Logger } from '../../observability/log.ts';
import type { Sessions } from '../../sessions/service.ts';
import { STEP_UP_PARAMETER, type StepUpLinks } from '../../sessions/step-up-links.ts';
import { withEarlier } from '../../sessions/step-up-requirement.ts';
import type { StepUp } from './check.ts';

/**
 * Reads `stepUp` of `GET /login`. Undefined without it, and without a session: whoever has none just signs in. `expired` for
 * one that has expired or belongs to another session; `not_permitted` for one that no sign-in may meet.
 */
export type StepUpQuery = (
  query: URLSearchParams,
  ...cookie: Parameters<Sessions['load']>
) => Promise<Omit<StepUp, 'beganAtMs'> | 'expired' | 'not_permitted' | undefined>;

export function createStepUpQuery(deps: {
  sessions: Sessions;
  stepUpLinks: StepUpLinks;
  limits: Pick<StepUpLimits, 'permittedAcrValues'>;
  log: Logger;
}): StepUpQuery {
  const { sessions, stepUpLinks, limits, log } = deps;
  return async (query, ...cookie) => {
    if (!query.has(STEP_UP_PARAMETER)) return undefined;
    const reading = await sessions.load(...cookie);
    if (reading.kind !== 'live') return undefined;
    const { session } = reading;
    const required = await stepUpLinks.open(onlyValue(query, STEP_UP_PARAMETER) ?? '', session);
    if (required === undefined) return 'expired';
    const acrValues = limits.permittedAcrValues(required.acrValues);
    if (acrValues.length === 0 && required.acrValues.length > 0) {
      log.warn(
        { acrValues: required.acrValues },
        'an API asks for an acr that is none of acr_values in provider.authorizationParams; name it in login.stepUp.acrValues if it is acceptable',
      );
      return 'not_permitted';
    }
    return {
      required: withEarlier({ ...required, acrValues }, session.data.steppedUp),
      from: session.key,
    };
  };
}
