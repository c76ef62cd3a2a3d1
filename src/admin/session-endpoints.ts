import { GatewayError } from '../errors.ts';
import { onlyValue } from '../http/inbound/query.ts';
import { describeSession } from '../sessions/description.ts';
import type { Owner } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import { respondJson, type Pages } from './page.ts';

/** Session administration: list or end a user's sessions, end one session, or end every session. */
export function createSessionEndpoints(deps: {
  sessions: Sessions;
  /** The issuer of the subjects in queries. */
  issuer: string;
  idleTimeout: number;
}): Pages {
  const { sessions, issuer, idleTimeout } = deps;
  const ownerOf = (subject: string): Owner => ({ kind: 'subject', issuer, id: subject });

  return {
    '/sessions': {
      async GET(response, query) {
        const subject = onlyValue(query, 'subject');
        if (subject === undefined)
          throw new GatewayError('bad_request', { detail: 'Name one subject in the query.' });
        const found = await sessions.list(ownerOf(subject));
        return respondJson(response, 200, {
          sessions: found.map((record) => ({ ...describeSession(record, idleTimeout), subject })),
        });
      },

      async DELETE(response, query) {
        const [subject, sessionId] = [onlyValue(query, 'subject'), onlyValue(query, 'sessionId')];
        if (subject !== undefined && sessionId === undefined) {
          return respondJson(response, 200, {
            ended: await sessions.endSignInsOf(ownerOf(subject), 'admin'),
          });
        }
        if (subject === undefined && sessionId !== undefined) {
          const ending = await sessions.end(sessionId, 'admin');
          if (ending === undefined)
            throw new GatewayError('not_found', { detail: 'No session has this sessionId.' });
          return respondJson(response, 200, { ended: 1 });
        }
        throw new GatewayError('bad_request', { detail: 'Name one subject or one sessionId in the query.' });
      },
    },

    '/sessions/revoke-all': {
      async POST(response) {
        await sessions.endAll();
        return respondJson(response, 200, { status: 'all sessions ended' });
      },
    },
  };
}
