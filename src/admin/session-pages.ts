import { describeSession } from '../sessions/description.ts';
import type { Owner } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
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
        const subject = only(query, 'subject');
        if (subject === undefined) return answer(response, 400, { status: 'name one subject' });
        const found = await sessions.list(ownerOf(subject));
        return answer(response, 200, {
          sessions: found.map((stored) => ({ ...describeSession(stored, idleTimeout), subject })),
        });
      },

      async DELETE(response, query) {
        const [subject, sessionId] = [only(query, 'subject'), only(query, 'sessionId')];
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

/** A parameter's value when it is there once, and is not empty. */
function only(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  return others.length > 0 || value === '' ? undefined : value;
}
