import { GatewayError, type AuthError, type ErrorCode } from '../../errors.ts';

/**
 * Where the link of an error page leads: `again` to the same address, `sign-in` to a new sign-in, `home` to the start of the
 * app, and `base` there by its proper address.
 */
export type PageLink = 'again' | 'sign-in' | 'home' | 'base';

/** What an error page says to a user. */
export type PageText = { readonly title: string; readonly detail: string; readonly link: PageLink };

const unavailable: PageText = {
  title: 'Not available at the moment',
  detail: 'A part of this application does not respond. Try again in a minute.',
  link: 'again',
};

const storeUnavailable: PageText = {
  title: 'Not available at the moment',
  detail: 'Your session cannot be read. You have not been signed out: try again in a minute.',
  link: 'again',
};

const providerUnavailable: PageText = {
  title: 'Sign-in is not available at the moment',
  detail: 'The sign-in service does not respond. Try again in a minute.',
  link: 'again',
};

const foreignRequest: PageText = {
  title: 'Request not accepted',
  detail: 'It did not come from a page of this application, so nothing has changed.',
  link: 'home',
};

const byAuthError: Record<AuthError, PageText> = {
  access_denied: {
    title: 'Sign-in cancelled',
    detail: 'You cancelled the sign-in, or you do not have access.',
    link: 'sign-in',
  },
  login_required: { title: 'Not signed in', detail: 'Sign in to continue.', link: 'sign-in' },
  state_expired: {
    title: 'This sign-in is over',
    detail: 'It took too long, is already complete, or began in another browser. Start a new one.',
    link: 'sign-in',
  },
  refused: {
    title: 'Sign-in failed',
    detail: 'Try again. If it fails again, tell support the request ID.',
    link: 'sign-in',
  },
  provider_unavailable: providerUnavailable,
  store_unavailable: storeUnavailable,
  step_up_unmet: {
    title: 'A stronger sign-in is needed',
    detail: 'This sign-in did not confirm enough for what you wanted to do.',
    link: 'sign-in',
  },
  not_allowed: {
    title: 'No access',
    detail: 'Your account may not use this application.',
    link: 'sign-in',
  },
};

/** Errors that no navigation can get have no text of their own. */
const byCode: Partial<Record<ErrorCode, PageText>> = {
  bad_request: {
    title: 'Request not understood',
    detail: 'There is something wrong with this address, or with what was sent.',
    link: 'home',
  },
  session_required: {
    title: 'Sign in first',
    detail: 'You must be signed in to see this page.',
    link: 'sign-in',
  },
  session_expired: {
    title: 'Your session has ended',
    detail: 'Sign in again to continue.',
    link: 'sign-in',
  },
  admin_token_required: {
    title: 'Admin token needed',
    detail: 'This page needs the admin token. Enter it in the console.',
    link: 'home',
  },
  step_up_required: {
    title: 'Confirm that it is you',
    detail: 'This page needs a new or a stronger sign-in.',
    link: 'sign-in',
  },
  not_allowed: {
    title: 'No access',
    detail: 'Your account may not open this page.',
    link: 'home',
  },
  csrf_rejected: foreignRequest,
  origin_rejected: foreignRequest,
  not_found: { title: 'Page not found', detail: 'There is nothing at this address.', link: 'home' },
  method_not_allowed: {
    title: 'This address cannot be opened',
    detail: 'It works from within the application only.',
    link: 'home',
  },
  body_too_large: {
    title: 'Too large',
    detail: 'What you sent is larger than this application accepts.',
    link: 'home',
  },
  headers_too_large: {
    title: 'Address or cookies too long',
    detail:
      "The address of the page is too long, or this site's cookies are. You can delete the cookies in your browser's settings.",
    link: 'home',
  },
  wrong_host: {
    title: 'Wrong address',
    detail: 'This application has another address.',
    link: 'base',
  },
  rate_limited: {
    title: 'Too many requests',
    detail: 'Wait a minute, then try again.',
    link: 'again',
  },
  upstream_unreachable: unavailable,
  upstream_invalid_response: unavailable,
  upstream_timeout: unavailable,
  provider_invalid_response: unavailable,
  token_exchange_refused: unavailable,
  store_unavailable: storeUnavailable,
  provider_unavailable: providerUnavailable,
};

const other: PageText = {
  title: 'Something went wrong',
  detail: 'Try again. If it happens again, tell support the request ID.',
  link: 'again',
};

/** SECURITY: never the text of an error: it is for developers, and may quote a URL or the provider. */
export function pageTextOf(error: unknown): PageText {
  if (!(error instanceof GatewayError)) return other;
  const { code, options } = error;
  if (options.pageText !== undefined) return { ...options.pageText, link: 'home' };
  if (options.authError !== undefined) return byAuthError[options.authError];
  return (code === 'login_failed' ? byAuthError.refused : byCode[code]) ?? other;
}
