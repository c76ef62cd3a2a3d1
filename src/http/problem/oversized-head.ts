import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { isNavigation } from '../inbound/navigation.ts';
import { createRequestId } from '../inbound/request-context.ts';
import type { NavigationErrors } from './navigation-errors.ts';
import type { Problem, Problems } from './problem.ts';

/** Builds the response to a request whose head is too large. `headers` are those that were readable. */
export type OversizedHead = (headers: IncomingHttpHeaders) => Problem;

/** A page, unless the headers tell that no user waits for the response. */
export function createOversizedHead(deps: {
  problems: Problems;
  navigationErrors: NavigationErrors;
  log: Logger;
}): OversizedHead {
  const { problems, navigationErrors, log } = deps;
  return (headers) => {
    const requestId = createRequestId();
    log.info({ requestId }, 'request rejected: its head is too large');
    const error = new GatewayError('headers_too_large', { detail: 'The request head has more than 16 KB.' });
    const isByProgram = Object.keys(headers).length > 0 && !isNavigation({ headers });
    if (isByProgram) return problems(error, requestId);
    return navigationErrors(error, { method: undefined, requestId, context: undefined });
  };
}
