import type { RequestHandler } from 'express';
import { requestContextOf } from '../../http/inbound/request-context.ts';
import { livesUntilMs } from '../../sessions/session.ts';
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
      if (reading.kind === 'ended') response.setHeader('Set-Cookie', sessions.clearCookie());
      response.json({ authenticated: false, loginUrl });
      return;
    }
    const { session } = reading;
    const { key, data, endsAtMs } = session;
    const now = clock();
    response.json({
      authenticated: true,
      subject: data.subject,
      claims: pickClaims({ ...data.userinfo, ...data.claims }, claims),
      sessionId: key,
      expiresIn: secondsUntil(endsAtMs, now),
      idleExpiresIn: secondsUntil(livesUntilMs(session), now),
      loginUrl,
      logoutUrl,
    });
  };
}

function pickClaims(
  claims: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]),
  );
}

function secondsUntil(ms: number, now: number): number {
  return Math.max(0, Math.floor((ms - now) / 1000));
}
