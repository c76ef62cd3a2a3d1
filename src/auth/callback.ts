import type { RequestHandler } from 'express';
import { requestContextOf } from '../http/inbound/request-context.ts';
import { loginRefused } from '../provider/login-failure.ts';
import type { RedirectLogin } from '../provider/provider.ts';
import type { CompleteSignIn } from './complete-sign-in.ts';
import type { LoginCookies } from './login-cookies.ts';
import { returnWithError } from './step-up/return-with-error.ts';

/** The parameters of an authorization response that must not be repeated (RFC 6749, section 3.1). */
const parameters = [
  'state',
  'code',
  'error',
  'error_description',
  'error_uri',
  'iss',
  'session_state',
] as const;

/** Response parameters of flows that the gateway never requests (implicit, hybrid, JARM). */
const unrequested = ['access_token', 'id_token', 'token', 'response'] as const;

/**
 * `GET /callback`: completes the login that this browser started, starts a session under a new ticket, and redirects to the
 * app. Clears the attempt's cookie, whether the login succeeds or fails.
 */
export function createCallback(deps: {
  redirectLogin: RedirectLogin;
  completeSignIn: CompleteSignIn;
  loginCookies: LoginCookies;
  redirectUri: string;
}): RequestHandler {
  const { redirectLogin, completeSignIn, loginCookies, redirectUri } = deps;

  return async function callback(request, response) {
    const { query } = requestContextOf(response).target;
    const search = new URLSearchParams(query);
    for (const name of parameters) {
      if (search.getAll(name).length > 1)
        throw loginRefused(`the callback has more than one "${name}" parameter`);
    }
    const state = search.get('state');
    if (!state)
      throw loginRefused('the callback has no "state" parameter; it does not belong to a login started here');

    const pending = await loginCookies.find(state, request.headers.cookie);
    response.setHeader('Set-Cookie', loginCookies.clear(state, request.headers.cookie));
    if (pending === undefined) {
      throw loginRefused(
        'no pending login with this "state" in this browser; it has expired or is already complete: sign in again',
      );
    }
    for (const name of unrequested) {
      if (search.has(name))
        throw loginRefused(`the callback has the parameter "${name}" of a flow that was not requested`);
    }
    if (!search.has('code') && !search.has('error'))
      throw loginRefused('the callback has neither "code" nor "error"');

    const callbackUrl = new URL(`${redirectUri}${query}`);
    const others = await loginCookies.findOthers(state, request.headers.cookie);
    const { stepUp: required, replaces: from = '', startedAtMs: beganAtMs } = pending;
    const completion = await completeSignIn(redirectLogin.finish(callbackUrl, pending), {
      cookieHeader: request.headers.cookie,
      replaces: [pending, ...others].flatMap(({ replaces }) => replaces ?? []),
      beganAtMs,
      stepUp: required && { required, from, beganAtMs },
    }).catch((error: unknown) => {
      if (required === undefined) throw error;
      return returnWithError(response, pending.returnTo, error);
    });
    if (completion === undefined) return;
    const { key, setCookie } = completion;

    response.appendHeader('Set-Cookie', setCookie);
    // The callback of another attempt will not carry this session's cookie (SameSite=Strict), so its login cookie names it.
    for (const other of others)
      response.appendHeader('Set-Cookie', await loginCookies.update({ ...other, replaces: key }));
    response.status(303).setHeader('Location', pending.returnTo);
    response.end();
  };
}
