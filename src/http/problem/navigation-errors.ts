import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';
import type { RequestContext } from '../inbound/request-context.ts';
import { inertHeaders } from '../security-headers.ts';
import { authErrorOf, withAuthError } from './auth-error.ts';
import { createErrorPage } from './error-page.ts';
import { pageTextOf, type PageLink } from './page-text.ts';
import type { Problem, Problems } from './problem.ts';

/** Builds the response to an error of a navigation: people read it. */
export type NavigationErrors = (error: unknown, request: FailedNavigation) => Problem;

type FailedNavigation = {
  readonly method: IncomingMessage['method'];
  readonly requestId: string;
  /** Undefined before the guard has run. */
  readonly context: RequestContext | undefined;
};

/** Where the links of error pages lead. */
export type PageLinks = {
  /** The label of the links to the start. */
  readonly homeLabel: string;
  readonly baseUrl: string;
  /** Where the app starts. */
  readonly home: string;
  /** Where a navigation starts a sign-in; undefined where people sign in on a page of the app. */
  readonly loginUrl: string | undefined;
  /** An address that works only once. */
  readonly callbackPath: string | undefined;
};

/**
 * A failed sign-in leads to its `failureReturnTo`, and the app learns why from the query. Any other error gets a page, with the
 * status of the problem response.
 */
export function createNavigationErrors(deps: {
  problems: Problems;
  secure: boolean;
  /** The HTML of `login.errorPage`. */
  template: string | undefined;
  links: PageLinks;
}): NavigationErrors {
  const { problems, secure, template, links } = deps;
  const page = createErrorPage(template);
  const redirectHeaders = inertHeaders(secure);

  return (error, request) => {
    const { context, requestId } = request;
    if (context?.failureReturnTo !== undefined) {
      const location = withAuthError(context.failureReturnTo.path, authErrorOf(error), requestId);
      return { status: 303, headers: { ...redirectHeaders, 'x-request-id': requestId, location }, body: '' };
    }
    const { status, headers } = problems(error, requestId);
    const { title, detail, link } = pageTextOf(error);
    const { headers: pageHeaders, body } = page({
      title,
      detail,
      ...linkTo(link, request, error),
      requestId,
    });
    return { status, headers: { ...headers, ...pageHeaders }, body };
  };

  function linkTo(
    link: PageLink,
    request: FailedNavigation,
    error: unknown,
  ): { retryUrl: string; retryLabel: string } {
    const loginUrl =
      links.loginUrl && error instanceof GatewayError
        ? (error.options.loginUrl ?? links.loginUrl)
        : links.loginUrl;
    const home = { retryUrl: links.home, retryLabel: links.homeLabel };
    switch (link) {
      case 'again': {
        const own = addressOf(request);
        if (own !== undefined) return { retryUrl: own, retryLabel: 'Try again' };
        return request.context?.target.path === links.callbackPath ? signIn(loginUrl) : home;
      }
      case 'sign-in':
        return signIn(loginUrl);
      case 'home':
        return home;
      case 'base':
        return { retryUrl: `${links.baseUrl}${links.home}`, retryLabel: links.homeLabel };
    }
  }

  /**
   * Without a `returnTo`: only an API path needs a session, and a browser that comes back from the provider may not open one,
   * because its request counts as cross-site.
   */
  function signIn(loginUrl: string | undefined) {
    if (loginUrl === undefined) return { retryUrl: links.home, retryLabel: links.homeLabel };
    return { retryUrl: loginUrl, retryLabel: 'Sign in' };
  }

  /** The address that the browser can open again; undefined for a form, a callback, and what the guard has rejected. */
  function addressOf({ method, context }: FailedNavigation): string | undefined {
    if (context === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const { path, query } = context.target;
    return path === '' || path === links.callbackPath ? undefined : `${path}${query}`;
  }
}
