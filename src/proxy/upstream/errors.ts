import { GatewayError } from '../../errors.ts';
import { CallError, type CallFailure } from './http1/call-error.ts';

/** Maps a failed upstream call to the error for the client. It contains no text from the upstream. */
export function explainUpstreamFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (isTimeout(cause)) {
    return upstreamTimeout(cause);
  }
  // Upgrades go through Node's own client, whose parser has these codes.
  if (isKind(cause, 'invalid') || codeOf(cause).startsWith('HPE_')) {
    return invalidResponse(cause);
  }
  if (isKind(cause, 'unsendable')) {
    return new GatewayError('bad_request', { detail: 'The request cannot be forwarded.', cause });
  }
  return new GatewayError('upstream_unreachable', { detail: 'The API cannot be reached.', cause });
}

/** Like {@link explainUpstreamFailure}, for a call that failed after the response began but before its head was complete. */
export function explainBrokenResponse(cause: unknown): GatewayError {
  return cause instanceof GatewayError || isTimeout(cause)
    ? explainUpstreamFailure(cause)
    : invalidResponse(cause);
}

/** The error of a call whose response did not arrive in time. */
export function upstreamTimeout(cause?: unknown): GatewayError {
  return new GatewayError('upstream_timeout', { detail: 'The API did not respond in time.', cause });
}

/** True if a call failed because the upstream had closed the kept-alive connection before it responded. */
export function isStaleConnection(cause: unknown): boolean {
  return isKind(cause, 'closed') || codeOf(cause) === 'ECONNRESET' || codeOf(cause) === 'EPIPE';
}

/** True for an error of a call without a connection that another server might not have. */
export function isConnectionFailure(cause: unknown): boolean {
  return !(cause instanceof GatewayError || isKind(cause, 'unsendable') || isKind(cause, 'aborted'));
}

function isTimeout(cause: unknown): boolean {
  return isKind(cause, 'timeout') || codeOf(cause) === 'ETIMEDOUT';
}

function isKind(cause: unknown, kind: CallFailure): boolean {
  return cause instanceof CallError && cause.kind === kind;
}

function invalidResponse(cause: unknown): GatewayError {
  const detail = 'The API sent a response that is not valid HTTP.';
  return new GatewayError('upstream_invalid_response', { detail, cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
