import { onlyValue } from '../../http/inbound/query.ts';
import type { Sessions } from '../../sessions/service.ts';
import { STEP_UP_PARAMETER, type StepUpLinks } from '../../sessions/step-up-links.ts';
import { withEarlier } from '../../sessions/step-up-requirement.ts';
import type { StepUp } from './check.ts';

/**
 * Reads `stepUp` of `GET /login`. Undefined without it, and without a session: whoever has none just signs in. `expired` for
 * one that has expired or belongs to another session.
 */
export type StepUpQuery = (
  query: URLSearchParams,
  ...cookie: Parameters<Sessions['load']>
) => Promise<Omit<StepUp, 'beganAtMs'> | 'expired' | undefined>;

export function createStepUpQuery(deps: { sessions: Sessions; stepUpLinks: StepUpLinks }): StepUpQuery {
  const { sessions, stepUpLinks } = deps;
  return async (query, ...cookie) => {
    if (!query.has(STEP_UP_PARAMETER)) return undefined;
    const reading = await sessions.load(...cookie);
    if (reading.kind !== 'live') return undefined;
    const { session } = reading;
    const required = await stepUpLinks.open(onlyValue(query, STEP_UP_PARAMETER) ?? '', session);
    if (required === undefined) return 'expired';
    return { required: withEarlier(required, session.data.steppedUp), from: session.key };
  };
}
