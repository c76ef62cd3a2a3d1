import type { Request, RequestHandler, Response } from 'express';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { describeSession } from '../sessions/description.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { Owner, SessionRecord } from '../sessions/session.ts';
import type { Sessions } from '../sessions/service.ts';

/** A person's own sessions: where they are signed in, and how to end that. */
export type MySessions = { list: RequestHandler; endOne: RequestHandler; endOthers: RequestHandler };

/**
 * `GET /sessions` lists the sessions of whoever asks, `DELETE /sessions/{id}` ends one of them, `DELETE /sessions` ends all
 * but the one that asks. None of these counts as use of the session.
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
      const meant = mine.find(({ key }) => key === request.params['id']);
      // SECURITY: another person's session looks like one that there is not.
      if (meant === undefined)
        throw new GatewayError('not_found', { detail: 'You have no session with this id.' });
      const isCurrent = meant.key === current.key;
      await sessions.end(meant.key, isCurrent ? 'logout' : 'ended_elsewhere');
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
    const reading = await sessions.load(request.headers.cookie);
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
