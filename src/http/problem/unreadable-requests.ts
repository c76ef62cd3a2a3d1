import { GatewayError } from '../../errors.ts';
import type { AccessLog } from '../access-log.ts';
import type { Guard } from '../inbound/guard.ts';
import { isNavigation } from '../inbound/navigation.ts';
import type { UnreadableRequests } from '../server/client-errors.ts';
import type { ProblemLog } from './middleware.ts';
import type { NavigationErrors } from './navigation-errors.ts';
import type { Problems } from './problem.ts';

/** A head that is too large gets a page, unless its fields tell that no user waits for the response. */
export function createUnreadableRequests(deps: {
  guard: Pick<Guard, 'open'>;
  problems: Problems;
  navigationErrors: NavigationErrors;
  accessLog: AccessLog;
  logProblem: ProblemLog;
}): UnreadableRequests {
  const { guard, problems, navigationErrors, accessLog, logProblem } = deps;

  return ({ socket, headers, isTooLarge }) => {
    const context = guard.open({ socket, headers });
    const { requestId } = context;
    const error = isTooLarge
      ? new GatewayError('headers_too_large', { detail: 'The request head has more than 16 KB.' })
      : new GatewayError('bad_request', { detail: 'The request is not valid HTTP/1.1.' });
    const mayBeNavigation = isTooLarge && (Object.keys(headers).length === 0 || isNavigation({ headers }));
    const problem = mayBeNavigation
      ? navigationErrors(error, { method: undefined, requestId, context: undefined })
      : problems(error, requestId);
    logProblem(error, requestId);
    accessLog(undefined, problem.status, context);
    return problem;
  };
}
