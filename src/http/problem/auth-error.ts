import { GatewayError, type AuthError, type ErrorCode } from '../../errors.ts';

/** The query parameters by which the app learns of a failed sign-in. */
const AUTH_ERROR = 'auth_error';
const AUTH_REQUEST_ID = 'auth_request_id';

const byCode: Partial<Record<ErrorCode, AuthError>> = {
  login_denied: 'access_denied',
  not_allowed: 'not_allowed',
  provider_unavailable: 'provider_unavailable',
  store_unavailable: 'store_unavailable',
};

/** What the app is told of a failed sign-in. */
export function authErrorOf(error: unknown): AuthError {
  if (!(error instanceof GatewayError)) return 'refused';
  return error.options.authError ?? byCode[error.code] ?? 'refused';
}

/** Adds a failure to a path on this origin. Keeps its query and fragment, but for an earlier failure. */
export function withAuthError(path: string, error: AuthError, requestId: string): string {
  const { beforeQuery, query, fragment } = split(path);
  const added = new URLSearchParams({ [AUTH_ERROR]: error, [AUTH_REQUEST_ID]: requestId });
  return `${beforeQuery}?${[...query, added].join('&')}${fragment}`;
}

/** Removes an earlier failure from a path on this origin: the next sign-in may succeed. */
export function withoutAuthError(path: string): string {
  const { beforeQuery, query, fragment } = split(path);
  return `${beforeQuery}${query.length === 0 ? '' : `?${query.join('&')}`}${fragment}`;
}

/** The parts of a path; `query` lists the parameters as they are written, without those of an earlier failure. */
function split(path: string): { beforeQuery: string; query: string[]; fragment: string } {
  const [, beforeQuery = '', query, fragment = ''] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/.exec(path) ?? [];
  const isOfFailure = (parameter: string) => {
    const [name] = new URLSearchParams(parameter).keys();
    return name === AUTH_ERROR || name === AUTH_REQUEST_ID;
  };
  const kept = query === undefined ? [] : query.split('&').filter((parameter) => !isOfFailure(parameter));
  return { beforeQuery, query: kept.length === 1 && kept[0] === '' ? [] : kept, fragment };
}
