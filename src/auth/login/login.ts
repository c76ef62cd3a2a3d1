import type { RequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';
import { requestContextOf } from '../../http/inbound/request-context.ts';
import { isFramed, isNavigation, isPrefetch } from '../../http/inbound/navigation.ts';
import { onlyValue } from '../../http/inbound/query.ts';
import type { CreatePage } from '../../http/problem/error-page.ts';
import { loginRefused, stepUpExpired, stepUpUnmet } from '../../provider/login-failure.ts';
import type { RedirectLogin } from '../../provider/provider.ts';
import type { Sessions } from '../../sessions/service.ts';
import { continuedUrl, isContinued } from './continuation.ts';
import type { LoginCookies } from './login-cookies.ts';
import type { LoginParameters } from './login-parameters.ts';
import type { SignOutMarker } from '../logout/sign-out-marker.ts';
import type { ReturnTo } from '../return-to.ts';
import { mayLackCookie, sendHop } from './same-site-hop.ts';
import type { StepUpQuery } from '../step-up/query.ts';

/** What a page shows that would have signed the user in again by itself. */
const signedOut = {
  title: 'You have signed out',
  detail: 'Sign in again to continue.',
  retryLabel: 'Sign in',
};

/**
 * `GET /login`: redirects to the provider and stores the login attempt for the callback, bound to this browser by a cookie.
 * Rejects a `fetch`, which cannot follow the redirect to another origin.
 */
export function createLogin(deps: {
  redirectLogin: RedirectLogin;
  sessions: Sessions;
  loginCookies: LoginCookies;
  parameters: LoginParameters;
  stepUpQuery: StepUpQuery;
  returnTo: ReturnTo;
  defaultReturnTo: string;
  /** Of the session cookie. */
  sameSite: 'strict' | 'lax';
  signOutMarker: SignOutMarker;
  page: CreatePage;
  clock: () => number;
}): RequestHandler {
  const { redirectLogin, sessions, loginCookies, parameters, stepUpQuery, returnTo, clock } = deps;
  const { defaultReturnTo, sameSite, signOutMarker, page } = deps;

  return async function login(request, response) {
    if (isPrefetch(request) || isFramed(request)) {
      throw new GatewayError('bad_request', {
        detail: 'Login starts in the top-level page only: not in a frame, and not for a prefetch.',
      });
    }
    if (request.headers['sec-fetch-mode'] !== undefined && !isNavigation(request)) {
      throw new GatewayError('bad_request', {
        detail: 'Login is a navigation: set window.location to this URL instead of fetching it.',
      });
    }
    const context = requestContextOf(response);
    const { target, clientAddress, requestId } = context;
    const query = new URLSearchParams(target.query);
    const destination = returnTo(onlyValue(query, 'returnTo')) ?? defaultReturnTo;
    const fail = (error: GatewayError): never => {
      context.failureReturnTo = { path: destination, always: true };
      throw error;
    };
    if (signOutMarker.forbids(request, query)) {
      if (query.get('prompt') === 'none')
        return fail(loginRefused('the user has signed out', undefined, 'login_required'));
      const { headers, body } = page({ ...signedOut, retryUrl: continuedUrl(target), requestId });
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      return void response.end(body);
    }
    const { cookie } = request.headers;
    const before = await sessions.peek(cookie, clientAddress).catch(() => undefined);
    if (before?.kind === 'absent' && mayLackCookie(request, sameSite))
      return sendHop(response, continuedUrl(target), { byItself: !isContinued(query) });
    const stepUp = await stepUpQuery(query, cookie, clientAddress);
    if (stepUp === 'expired')
      return fail(stepUpExpired('"stepUp" has expired, or belongs to another session; repeat the request'));
    if (stepUp === 'not_permitted')
      return fail(stepUpUnmet('the configuration permits none of the "acr_values" that the API asks for'));
    const passed = parameters(query);
    if (passed === 'skips_prompt') {
      const reason = 'provider.authorizationParams fixes a prompt, so no sign-in can be silent';
      return fail(loginRefused(reason, undefined, 'login_required'));
    }
    const { url, attempt } = await redirectLogin.begin({
      parameters: passed,
      stepUp: stepUp?.required,
    });
    const pending = {
      ...attempt,
      returnTo: destination,
      startedAtMs: clock(),
      replaces: stepUp?.from ?? (before?.kind === 'live' ? before.session.key : undefined),
    };
    response.setHeader('Set-Cookie', await loginCookies.set(pending, cookie));
    response.status(302).setHeader('Location', url.href);
    response.end();
  };
}
