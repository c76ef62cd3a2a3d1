import type { RequestHandler } from 'express';
import type { OriginPolicy } from '../../http/inbound/csrf.ts';
import { requestContextOf } from '../../http/inbound/request-context.ts';
import { sessionExpired, sessionRequired } from '../../sessions/no-session.ts';
import type { Sessions } from '../../sessions/service.ts';

/**
 * `POST /session/extend`: counts as use of the session, like an API request. Responds 204 once its full idle timeout is ahead,
 * or 401 without a session.
 */
export function createExtendSession(deps: {
  sessions: Sessions;
  originPolicy: OriginPolicy;
}): RequestHandler {
  const { sessions, originPolicy } = deps;

  return async function extendSession(request, response) {
    // SECURITY: another site must not keep a session alive.
    originPolicy.checkRequest(request);
    const { clientAddress } = requestContextOf(response);
    const reading = await sessions.extend(request.headers.cookie, clientAddress);
    switch (reading.kind) {
      case 'live':
        response.status(204).end();
        return;
      case 'absent':
        throw sessionRequired();
      case 'ended':
        response.setHeader('Set-Cookie', await sessions.clearEndedCookie(request.headers.cookie));
        throw sessionExpired();
    }
  };
}
