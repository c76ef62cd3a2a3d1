import type { RequestHandler } from 'express';
import { GatewayError } from '../errors.ts';
import { exchangeOf } from '../http/exchange.ts';
import type { Provider } from '../provider/provider.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { LoginCookies } from './login-cookies.ts';

/** The parameters of an authorization response that must not be there twice (RFC 6749, section 3.1). */
const parameters = ['state', 'code', 'error', 'iss', 'session_state'] as const;

/**
 * `GET /callback`: finishes the login that this browser began, starts a session under a new ticket, and leads back to the
 * app. Whatever happens, the attempt is over: its cookie goes.
 */
export function createCallback(deps: {
  provider: Provider;
  sessions: Sessions;
  loginCookies: LoginCookies;
  redirectUri: string;
}): RequestHandler {
  const { provider, sessions, loginCookies, redirectUri } = deps;

  return async function callback(request, response) {
    const { query } = exchangeOf(response).target;
    const search = new URLSearchParams(query);
    for (const name of parameters) {
      if (search.getAll(name).length > 1) throw refuse(`the callback has more than one "${name}" parameter`);
    }
    const state = search.get('state');
    if (!state)
      throw refuse('the callback has no "state" parameter: it does not come from a login begun here');

    const pending = await loginCookies.find(state, request.headers.cookie);
    response.setHeader('Set-Cookie', loginCookies.drop(state, request.headers.cookie));
    if (pending === undefined) {
      throw refuse(
        'no login with this "state" was begun in this browser, or it has expired or been finished: sign in again',
      );
    }
    if (!search.has('code') && !search.has('error'))
      throw refuse('the callback has neither "code" nor "error"');

    const signIn = await provider.finishLogin(new URL(`${redirectUri}${query}`), pending);
    const { setCookie } = await sessions.start(signIn).catch((error: unknown) => {
      // Nobody has these tokens: what no session holds is given back.
      sessions.revoke(signIn.answer.refreshToken);
      throw error;
    });
    await endFormer(pending.replaces, request.headers.cookie);

    response.appendHeader('Set-Cookie', setCookie);
    response.status(303).setHeader('Location', pending.returnTo);
    response.end();
  };

  /** Ends the session that the browser had when the login began, and the one it still shows, if it shows any now. */
  async function endFormer(replaces: string | undefined, cookieHeader: string | undefined): Promise<void> {
    const shown = await sessions.find(cookieHeader);
    const keys = new Set([replaces, shown.kind === 'live' ? shown.stored.key : undefined]);
    for (const key of keys) if (key !== undefined) await sessions.end(key, 'replaced');
  }
}

function refuse(reason: string): GatewayError {
  return new GatewayError('login_failed', { detail: 'The sign-in was refused.', reason });
}
