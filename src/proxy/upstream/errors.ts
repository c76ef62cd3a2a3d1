import { errors } from 'undici';
import { GatewayError } from '../../errors.ts';

/** Turns a failed upstream call into the error its client reads. It holds no text of the upstream. */
export function explainUpstreamFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (isTimeout(cause)) {
    return upstreamTimeout(cause);
  }
  if (cause instanceof errors.HTTPParserError || codeOf(cause).startsWith('HPE_')) {
    return invalidResponseFrom(cause);
  }
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError) {
    return new GatewayError('bad_request', { detail: 'The request cannot be forwarded.', cause });
  }
  return new GatewayError('upstream_unreachable', { detail: 'The API cannot be reached.', cause });
}

/** The same for a call that failed after its response had started and before the head was whole. */
export function explainBrokenResponse(cause: unknown): GatewayError {
  return cause instanceof GatewayError || isTimeout(cause)
    ? explainUpstreamFailure(cause)
    : invalidResponseFrom(cause);
}

/** The error of a call that got no response in time. */
export function upstreamTimeout(cause?: unknown): GatewayError {
  return new GatewayError('upstream_timeout', { detail: 'The API did not respond in time.', cause });
}

/** True when a call failed on a kept-alive connection that the upstream had closed, before any response. */
export function isStaleConnection(cause: unknown): boolean {
  return cause instanceof errors.SocketError || codeOf(cause) === 'ECONNRESET' || codeOf(cause) === 'EPIPE';
}

function isTimeout(cause: unknown): boolean {
  return (
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError ||
    cause instanceof errors.ConnectTimeoutError ||
    codeOf(cause) === 'ETIMEDOUT'
  );
}

function invalidResponseFrom(cause: unknown): GatewayError {
  const detail = 'The API sent a response that is not valid HTTP.';
  return new GatewayError('upstream_invalid_response', { detail, cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
