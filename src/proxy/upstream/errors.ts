import { errors } from 'undici';
import { GatewayError } from '../../errors.ts';

/** Maps a failed upstream call to the error for the client. It contains no text from the upstream. */
export function explainUpstreamFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (isTimeout(cause)) {
    return upstreamTimeout(cause);
  }
  if (cause instanceof errors.HTTPParserError || codeOf(cause).startsWith('HPE_')) {
    return invalidResponse(cause);
  }
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError) {
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
  return cause instanceof errors.SocketError || codeOf(cause) === 'ECONNRESET' || codeOf(cause) === 'EPIPE';
}

/** True for an error of a call without a connection that another server might not have. */
export function isConnectionFailure(cause: unknown): boolean {
  return !(
    cause instanceof GatewayError ||
    cause instanceof errors.InvalidArgumentError ||
    cause instanceof errors.NotSupportedError ||
    cause instanceof errors.RequestAbortedError
  );
}

function isTimeout(cause: unknown): boolean {
  return (
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError ||
    cause instanceof errors.ConnectTimeoutError ||
    codeOf(cause) === 'ETIMEDOUT'
  );
}

function invalidResponse(cause: unknown): GatewayError {
  const detail = 'The API sent a response that is not valid HTTP.';
  return new GatewayError('upstream_invalid_response', { detail, cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
