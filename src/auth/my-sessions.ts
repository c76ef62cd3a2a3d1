import type { Request, RequestHandler, Response } from 'express';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { requestContextOf } from '../http/inbound/request-context.ts';
import { describeSession } from '../sessions/description.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Owner, SessionRecord } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';

/** Lists and ends the signed-in user's own sessions. */
export type MySessions = { list: RequestHandler; endOne: RequestHandler; endOthers: RequestHandler };

/**
 * `GET /sessions` lists the user's sessions, `DELETE /sessions/{id}` ends one of them, and `DELETE /sessions` ends all but
 * the current one. None of these extends the session.
 */
export function createMySessions(deps: {
  sessions: Sessions;
  originPolicy: OriginPolicy;
  idleTimeout: number;
}): MySessions {
  const { sessions, originPolicy, idleTimeout } = deps;

  return {
    async list(request, response) {
      const current = await currentOf(request, response);
      const mine = await sessions.list(ownerOf(current));
      response.json({
        sessions: mine.map((record) => ({
          ...describeSession(record, idleTimeout),
          current: record.key === current.key,
        })),
      });
    },

    async endOne(request, response) {
      originPolicy.checkRequest(request);
      const current = await currentOf(request, response);
      const mine = await sessions.list(ownerOf(current));
      const target = mine.find(({ key }) => key === request.params['id']);
      // SECURITY: another user's session gets the same response as an unknown id.
      if (target === undefined)
        throw new GatewayError('not_found', { detail: 'You have no session with this id.' });
      const isCurrent = target.key === current.key;
      await sessions.end(target.key, isCurrent ? 'logout' : 'ended_elsewhere');
      if (isCurrent) response.setHeader('Set-Cookie', sessions.clearCookie());
      response.status(204).end();
    },

    async endOthers(request, response) {
      originPolicy.checkRequest(request);
      const current = await currentOf(request, response);
      const mine = await sessions.list(ownerOf(current));
      const others = mine.filter(({ key }) => key !== current.key);
      await Promise.all(others.map(({ key }) => sessions.end(key, 'ended_elsewhere')));
      response.status(204).end();
    },
  };

  async function currentOf(request: Request, response: Response): Promise<SessionRecord> {
    const reading = await sessions.load(request.headers.cookie, requestContextOf(response).clientAddress);
    switch (reading.kind) {
      case 'live':
        return reading.session;
      case 'absent':
        throw sessionRequired();
      case 'ended':
        response.setHeader('Set-Cookie', sessions.clearCookie());
        throw sessionExpired();
    }
  }
}

function ownerOf({ data: { issuer, subject } }: SessionRecord): Owner {
  return { kind: 'subject', issuer, id: subject };
}
