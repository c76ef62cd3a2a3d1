import type { RequestHandler } from 'express';
import { requestContextOf } from '../../http/inbound/request-context.ts';
import { livesUntilMs, type SessionData, type SessionRecord } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/service.ts';

/** `GET /session`: returns who is signed in and for how long. Never extends the session and never returns a token. */
export function createSessionInfo(deps: {
  sessions: Sessions;
  claims: readonly string[];
  loginUrl: string;
  logoutUrl: string;
  clock: () => number;
}): RequestHandler {
  const { sessions, claims, loginUrl, logoutUrl, clock } = deps;

  return async function session(request, response) {
    const reading = await sessions.load(request.headers.cookie, requestContextOf(response).clientAddress);
    if (reading.kind !== 'live') {
      const { cookie } = request.headers;
      if (reading.kind === 'ended') response.setHeader('Set-Cookie', await sessions.clearEndedCookie(cookie));
      response.json({ authenticated: false, loginUrl });
      return;
    }
    const { session } = reading;
    const { key, data, endsAtMs } = session;
    const now = clock();
    const latestEndMs = Math.min(endsAtMs, lastTokenEndMs(session));
    response.json({
      authenticated: true,
      subject: data.subject,
      claims: claimsOf(data, claims),
      sessionId: key,
      expiresIn: secondsUntil(latestEndMs, now),
      idleExpiresIn: secondsUntil(Math.min(livesUntilMs(session), latestEndMs), now),
      loginUrl,
      logoutUrl,
    });
  };
}

/** The claims of a session that `session.claims` names. */
export function claimsOf(
  data: Pick<SessionData, 'claims' | 'userinfo'>,
  names: readonly string[],
): Record<string, unknown> {
  const claims = { ...data.userinfo, ...data.claims };
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]),
  );
}

/** Without a refresh token, a session ends at the first request that finds its access token expired. */
function lastTokenEndMs({ isRenewable, data }: SessionRecord): number {
  return isRenewable ? Infinity : (data.tokens.access['']?.expiresAtMs ?? Infinity);
}

function secondsUntil(ms: number, now: number): number {
  return Math.max(0, Math.floor((ms - now) / 1000));
}
