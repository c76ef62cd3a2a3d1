import type { Request, RequestHandler, Response } from 'express';
import { isNavigation } from '../../http/inbound/navigation.ts';
import { auditedRequest, requestContextOf, type RequestContext } from '../../http/inbound/request-context.ts';
import { loginRefused } from '../../provider/login-failure.ts';
import type { RedirectLogin } from '../../provider/provider.ts';
import type { Sessions } from '../../sessions/service.ts';
import type { CompleteSignIn } from '../complete-sign-in.ts';
import type { LoginCookies } from './login-cookies.ts';
import type { SignOutMarker } from '../logout/sign-out-marker.ts';

/** The parameters of an authorization response that must not be repeated (RFC 6749, section 3.1). */
const parameters = ['code', 'error', 'error_description', 'error_uri', 'iss', 'session_state'] as const;

/** The parameter of a response that is one signed JWT (JARM, section 2.3.4). */
const JWT_PARAMETER = 'response';

/** Response parameters of flows that the gateway never requests (implicit, hybrid), or, for `response`, did not request. */
const unrequested = ['access_token', 'id_token', 'token', JWT_PARAMETER] as const;

/**
 * `GET /callback`: completes the login that this browser started, starts a session under a new ticket, and redirects to the
 * app. Clears the attempt's cookie, whether the login succeeds or fails.
 *
 * A navigation that fails leads to the app as well, by `failureReturnTo` of its context, and so does every failed step-up.
 */
export function createCallback(deps: {
  redirectLogin: RedirectLogin;
  completeSignIn: CompleteSignIn;
  sessions: Sessions;
  loginCookies: LoginCookies;
  signOutMarker: SignOutMarker;
  redirectUri: string;
  defaultReturnTo: string;
  /** Where a failed login leads whose own `returnTo` is unknown. */
  failureReturnTo: string | undefined;
}): RequestHandler {
  const { redirectLogin, completeSignIn, sessions, loginCookies, signOutMarker, redirectUri } = deps;

  return async function callback(request, response) {
    const context = requestContextOf(response);
    const { query } = context.target;
    const { failureReturnTo } = deps;
    context.failureReturnTo =
      failureReturnTo === undefined ? undefined : { path: failureReturnTo, always: false };
    const cookieHeader = request.headers.cookie;
    const search = new URLSearchParams(query);
    const { jwtStateOf } = redirectLogin;
    const state = jwtStateOf === undefined ? stateOf(search) : await stateIn(search, jwtStateOf);
    const taken = await take(state, cookieHeader).catch((error: unknown) => {
      // The cookie stays, and the code is not used: a reload may succeed.
      const returnTo = loginCookies.returnToOf(state, cookieHeader);
      const path = returnTo ?? failureReturnTo ?? deps.defaultReturnTo;
      context.failureReturnTo = { path, always: false };
      throw error;
    });
    response.setHeader('Set-Cookie', loginCookies.clear(state, cookieHeader));
    if (taken === undefined) {
      // A reload, or the Back button: the login is complete, and the page is not for people.
      if (isNavigation(request) && (await isSignedIn(request, context)))
        return redirect(response, deps.defaultReturnTo);
      throw loginRefused(
        'no pending login with this "state" in this browser; it has expired or is already complete: sign in again',
        undefined,
        'state_expired',
      );
    }
    const { pending, others } = taken;
    const { stepUp: required, replaces: from = '', startedAtMs: beganAtMs } = pending;
    context.failureReturnTo = { path: pending.returnTo, always: required !== undefined };
    if (jwtStateOf === undefined) checkResponse(search);
    else checkJwtResponse(search);

    const callbackUrl = new URL(`${redirectUri}${query}`);
    const { key, setCookie } = await completeSignIn(redirectLogin.finish(callbackUrl, pending), {
      request: auditedRequest(context),
      cookieHeader,
      replaces: [pending, ...others.map(({ login }) => login)].flatMap(({ replaces }) => replaces ?? []),
      beganAtMs,
      stepUp: required && { required, from, beganAtMs },
    });

    response.appendHeader('Set-Cookie', [setCookie, ...signOutMarker.clear(cookieHeader)]);
    // The callback of another attempt will not carry this session's cookie (SameSite=Strict), so the attempt names it.
    for (const other of others) response.appendHeader('Set-Cookie', await loginCookies.update(other, key));
    redirect(response, pending.returnTo);
  };

  /** Takes the attempt with a `state`, and reads the others of this browser. */
  async function take(state: string, cookieHeader: string | undefined) {
    const found = await loginCookies.find(state, cookieHeader);
    if (found === undefined) return undefined;
    const others = await loginCookies.findOthers(state, cookieHeader);
    return (await loginCookies.take(found)) ? { pending: found.login, others } : undefined;
  }

  async function isSignedIn(request: Request, { clientAddress }: RequestContext): Promise<boolean> {
    const reading = await sessions.peek(request.headers.cookie, clientAddress).catch(() => undefined);
    return reading?.kind === 'live';
  }
}

function redirect(response: Response, location: string): void {
  response.status(303).setHeader('Location', location);
  response.end();
}

function stateOf(search: URLSearchParams): string {
  checkOnce(search, 'state');
  const state = search.get('state');
  if (!state)
    throw loginRefused('the callback has no "state" parameter; it does not belong to a login started here');
  return state;
}

/** The `state` in a response that is one signed JWT. */
async function stateIn(
  search: URLSearchParams,
  jwtStateOf: NonNullable<RedirectLogin['jwtStateOf']>,
): Promise<string> {
  checkOnce(search, JWT_PARAMETER);
  const response = search.get(JWT_PARAMETER);
  if (!response) throw loginRefused('the callback has no "response" parameter, which the sign-in asked for');
  const state = await jwtStateOf(response);
  if (!state)
    throw loginRefused('the signed response has no "state"; it does not belong to a login started here');
  return state;
}

/** SECURITY: whatever stands beside the signed response is not of the provider. */
function checkJwtResponse(search: URLSearchParams): void {
  for (const name of ['state', ...parameters, ...unrequested]) {
    if (name !== JWT_PARAMETER && search.has(name))
      throw loginRefused(`the callback has the parameter "${name}" outside of its signed response`);
  }
}

/** Checks that the parameters are those of the response that was requested. */
function checkResponse(search: URLSearchParams): void {
  for (const name of parameters) checkOnce(search, name);
  for (const name of unrequested) {
    if (search.has(name))
      throw loginRefused(`the callback has the parameter "${name}" of a flow that was not requested`);
  }
  if (!search.has('code') && !search.has('error'))
    throw loginRefused('the callback has neither "code" nor "error"');
}

function checkOnce(search: URLSearchParams, name: string): void {
  if (search.getAll(name).length > 1)
    throw loginRefused(`the callback has more than one "${name}" parameter`);
}
