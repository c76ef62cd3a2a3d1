import { onlyValue } from '../http/inbound/query.ts';
import { describeSession } from '../sessions/description.ts';
import type { Owner } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';
import { answer, type Pages } from './page.ts';

/** Session administration: seeing and ending the sessions of a person, ending one, and ending all there are. */
export function createSessionPages(deps: {
  sessions: Sessions;
  /** By whose word people are signed in. */
  issuer: string;
  idleTimeout: number;
}): Pages {
  const { sessions, issuer, idleTimeout } = deps;
  const ownerOf = (subject: string): Owner => ({ kind: 'subject', issuer, id: subject });

  return {
    '/sessions': {
      async GET(response, query) {
        const subject = onlyValue(query, 'subject');
        if (subject === undefined) return answer(response, 400, { status: 'name one subject' });
        const found = await sessions.list(ownerOf(subject));
        return answer(response, 200, {
          sessions: found.map((stored) => ({ ...describeSession(stored, idleTimeout), subject })),
        });
      },

      async DELETE(response, query) {
        const [subject, sessionId] = [onlyValue(query, 'subject'), onlyValue(query, 'sessionId')];
        if (subject !== undefined && sessionId === undefined) {
          return answer(response, 200, { ended: await sessions.endSignInsOf(ownerOf(subject), 'admin') });
        }
        if (subject === undefined && sessionId !== undefined) {
          const ending = await sessions.end(sessionId, 'admin');
          return ending === undefined
            ? answer(response, 404, { status: 'no such session' })
            : answer(response, 200, { ended: 1 });
        }
        return answer(response, 400, { status: 'name one subject or one sessionId' });
      },
    },

    '/sessions/revoke-all': {
      async POST(response) {
        await sessions.endAll();
        return answer(response, 200, { status: 'all sessions are ended' });
      },
    },
  };
}
