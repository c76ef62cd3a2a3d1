/** Every error code that a client can receive, with its HTTP status. The codes are public and never change. */
const statuses = {
  bad_request: 400,
  login_failed: 400,
  session_required: 401,
  session_expired: 401,
  admin_token_required: 401,
  credentials_rejected: 401,
  step_up_required: 401,
  login_denied: 403,
  csrf_rejected: 403,
  origin_rejected: 403,
  not_allowed: 403,
  not_found: 404,
  method_not_allowed: 405,
  login_expired: 410,
  body_too_large: 413,
  wrong_host: 421,
  rate_limited: 429,
  headers_too_large: 431,
  internal_error: 500,
  upstream_unreachable: 502,
  upstream_invalid_response: 502,
  provider_invalid_response: 502,
  token_exchange_refused: 502,
  store_unavailable: 503,
  provider_unavailable: 503,
  upstream_timeout: 504,
} as const;

export type ErrorCode = keyof typeof statuses;

/**
 * What another sign-in must bring so that a request succeeds (RFC 9470). One that names nothing asks for a new
 * authentication.
 */
export type StepUpRequirement = {
  /** The acceptable authentication contexts, the preferred one first. */
  readonly acrValues: readonly string[];
  /** How old the authentication may be, in seconds. */
  readonly maxAge?: number | undefined;
  readonly scopes: readonly string[];
  /** Those of them that the token of another audience than the sign-in's must have, by the id of that audience. */
  readonly audienceScopes?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Resource indicators (RFC 8707). */
  readonly resources: readonly string[];
};

/** Why a sign-in failed, for the app to read in `auth_error`. The values are public and never change. */
export type AuthError =
  | 'access_denied'
  | 'login_required'
  | 'state_expired'
  | 'refused'
  | 'provider_unavailable'
  | 'store_unavailable'
  | 'step_up_unmet'
  | 'not_allowed';

export type GatewayErrorOptions = {
  /** One sentence for developers who read the response. It contains no secret and no text from an upstream. */
  detail?: string;
  /** Why the login failed (`login_failed` and `login_expired` only). Logged, and sent to developers. */
  reason?: string;
  /** What the app learns of a failed sign-in, if more than the code says. */
  authError?: AuthError | undefined;
  /** When to try again, in whole seconds; becomes `Retry-After` (RFC 9110, section 10.2.3). */
  retryAfterSeconds?: number;
  /** The methods allowed here (`method_not_allowed` only); becomes `Allow`. */
  allow?: readonly string[];
  /** The index of the rule that does not hold (`not_allowed` only). */
  rule?: number;
  /** What the sign-in at `loginUrl` must bring (`step_up_required` only). */
  stepUp?: StepUpRequirement;
  /** The `WWW-Authenticate` of a 401 for a caller with a token of its own (RFC 6750, section 3). */
  challenge?: string | undefined;
  /** Where to sign in instead of the usual login URL. */
  loginUrl?: string;
  /** Which of the gateway's own limits rejected the request (`provider_unavailable` only). Logged, never sent. */
  throttle?: string | undefined;
  /** Which limit was reached (`rate_limited` only). Counted, never sent. */
  limit?: string;
  /** What an error page says, where the words for the code would mislead. */
  pageText?: { readonly title: string; readonly detail: string };
  /** The underlying error. Logged, never sent. */
  cause?: unknown;
};

/** An error that the client receives as a problem response. Any other error becomes `internal_error`. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly options: GatewayErrorOptions;

  constructor(code: ErrorCode, options: GatewayErrorOptions = {}) {
    super(options.detail ?? code, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = statuses[code];
    this.options = options;
  }
}

/** The error for a request that needs another sign-in, although its session is valid. */
export function stepUpRequired(
  detail: string,
  required: Partial<StepUpRequirement>,
  cause?: unknown,
): GatewayError {
  const stepUp = { acrValues: [], scopes: [], resources: [], ...required };
  return new GatewayError('step_up_required', { detail, stepUp, cause });
}

/** True when the provider or the store is unreachable: the same request may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof GatewayError && error.status === 503;
}
