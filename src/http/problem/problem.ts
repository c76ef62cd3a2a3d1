import { STATUS_CODES } from 'node:http';
import { GatewayError, type StepUpRequirement } from '../../errors.ts';
import { inertHeaders } from '../security-headers.ts';

/** A problem response (RFC 9457), complete with all header fields. */
export type Problem = { status: number; headers: Record<string, string>; body: string };

/** Builds the response to an error. */
export type Problems = (error: unknown, requestId: string) => Problem;

/**
 * The only place that turns errors into responses, for both listeners and rejected upgrades. An error that is not a
 * {@link GatewayError} becomes `internal_error` without any detail.
 */
export function createProblems(deps: { secure: boolean; loginUrl: string | undefined }): Problems {
  const { secure, loginUrl } = deps;
  const common = { ...inertHeaders(secure), 'content-type': 'application/problem+json' };
  return (error, requestId) => {
    const known =
      error instanceof GatewayError ? error : new GatewayError('internal_error', { cause: error });
    const { code, status, options } = known;
    const headers: Record<string, string> = { ...common, 'x-request-id': requestId };
    if (options.retryAfterSeconds !== undefined) headers['retry-after'] = String(options.retryAfterSeconds);
    if (options.challenge !== undefined) headers['www-authenticate'] = options.challenge;
    if (options.allow !== undefined) headers['allow'] = options.allow.join(', ');
    // For a client that cannot read the body, as that of a response which another has consumed.
    if (options.loginUrl !== undefined) headers['x-login-url'] = options.loginUrl;
    const document = {
      title: STATUS_CODES[status],
      status,
      code,
      detail: options.detail,
      reason: options.reason,
      rule: options.rule,
      stepUp: options.stepUp && describeStepUp(options.stepUp),
      loginUrl: status === 401 ? (options.loginUrl ?? loginUrl) : undefined,
      requestId,
    };
    return { status, headers, body: escapeMarkup(JSON.stringify(document)) };
  };
}

/** Names only what is required; a page that shows it needs no resource indicators. */
function describeStepUp({ acrValues, maxAge, scopes }: StepUpRequirement): Record<string, unknown> {
  return {
    ...(acrValues.length > 0 && { acrValues }),
    ...(maxAge !== undefined && { maxAge }),
    ...(scopes.length > 0 && { scopes }),
  };
}

/** SECURITY: a reason may contain text from a URL. Escaped, it is never markup, even if a client sniffs another type. */
function escapeMarkup(json: string): string {
  return json.replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
