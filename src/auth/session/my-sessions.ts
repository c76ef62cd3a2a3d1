import type { Request, RequestHandler, Response } from 'express';
import { GatewayError } from '../../errors.ts';
import type { OriginPolicy } from '../../http/inbound/csrf.ts';
import { readPageQuery } from '../../http/inbound/page-query.ts';
import { auditedRequest, requestContextOf } from '../../http/inbound/request-context.ts';
import type { Audit } from '../../observability/audit.ts';
import type { RateLimit } from '../../http/rate-limit/rate-limit.ts';
import { describePage, describeSession } from '../../sessions/description.ts';
import { sessionExpired, sessionRequired } from '../../sessions/no-session.ts';
import { personOf, type Owner, type SessionRecord } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/service.ts';

/** Lists and ends the signed-in user's own sessions. */
export type MySessions = { list: RequestHandler; endOne: RequestHandler; endOthers: RequestHandler };

/**
 * `GET /sessions` lists the user's sessions, page by page, `DELETE /sessions/{id}` ends one of them, and `DELETE /sessions` ends all but
 * the current one. None of these extends the session.
 */
export function createMySessions(deps: {
  sessions: Sessions;
  audit: Audit;
  originPolicy: OriginPolicy;
  idleTimeout: number;
  /** Limits the requests per user. */
  limitUser: RateLimit;
}): MySessions {
  const { sessions, audit, originPolicy, idleTimeout, limitUser } = deps;

  return {
    async list(request, response) {
      const current = await currentOf(request, response);
      const { limit, after } = readPageQuery(new URLSearchParams(requestContextOf(response).target.query));
      const page = await sessions.list(ownerOf(current), limit, after);
      response.json(
        describePage(page, (record) => ({
          ...describeSession(record, idleTimeout),
          current: record.key === current.key,
        })),
      );
    },

    async endOne(request, response) {
      originPolicy.checkRequest(request);
      const current = await currentOf(request, response);
      const target = await sessions.find(ownerOf(current), String(request.params['id']));
      // SECURITY: another user's session gets the same response as an unknown id.
      if (target === undefined)
        throw new GatewayError('not_found', { detail: 'You have no session with this id.' });
      const isCurrent = target.key === current.key;
      await sessions.end(target.key, isCurrent ? 'logout' : 'ended_elsewhere');
      if (isCurrent) {
        const [session, person] = [current.key, personOf(current.data)];
        const request = auditedRequest(requestContextOf(response));
        audit.record({ event: 'sign_out', person, session, request });
        response.setHeader('Set-Cookie', sessions.clearCookie());
      }
      response.status(204).end();
    },

    async endOthers(request, response) {
      originPolicy.checkRequest(request);
      const current = await currentOf(request, response);
      await sessions.endOf(ownerOf(current), 'ended_elsewhere', ({ key }) => key !== current.key);
      response.status(204).end();
    },
  };

  async function currentOf(request: Request, response: Response): Promise<SessionRecord> {
    const reading = await sessions.load(request.headers.cookie, requestContextOf(response).clientAddress);
    switch (reading.kind) {
      case 'live':
        await limitUser(limitSubject(reading.session));
        return reading.session;
      case 'absent':
        throw sessionRequired();
      case 'ended':
        response.setHeader('Set-Cookie', await sessions.clearEndedCookie(request.headers.cookie));
        throw sessionExpired();
    }
  }
}

function limitSubject({ data: { issuer, subject } }: SessionRecord): string {
  return JSON.stringify([issuer, subject]);
}

function ownerOf({ data: { issuer, subject } }: SessionRecord): Owner {
  return { kind: 'subject', issuer, id: subject };
}
