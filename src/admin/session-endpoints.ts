import { GatewayError } from '../errors.ts';
import { readPageQuery } from '../http/inbound/page-query.ts';
import { onlyValue } from '../http/inbound/query.ts';
import { describePage, describeSession } from '../sessions/description.ts';
import type { Owner, SessionRecord } from '../sessions/session.ts';
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
        const { limit, after } = readPageQuery(query);
        const page = await sessions.list(ownerOf(subject), limit, after);
        const describe = (record: SessionRecord) => ({ ...describeSession(record, idleTimeout), subject });
        return respondJson(response, 200, describePage(page, describe));
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
