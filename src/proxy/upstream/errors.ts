import { errors } from 'undici';
import { GatewayError } from '../../errors.ts';

/** Turns a failed upstream call into the error its client reads. Nothing of the upstream's own words is in it. */
export function explainUpstreamFailure(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (isTimeout(cause)) {
    return upstreamTimeout(cause);
  }
  if (cause instanceof errors.HTTPParserError || codeOf(cause).startsWith('HPE_')) {
    return rejectAnswer(cause);
  }
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.NotSupportedError) {
    return new GatewayError('bad_request', { detail: 'The request cannot be forwarded.', cause });
  }
  return new GatewayError('upstream_unreachable', { detail: 'The API cannot be reached.', cause });
}

/** The same for a call that failed when its answer had begun and no whole head of it had come. */
export function explainBrokenResponse(cause: unknown): GatewayError {
  return cause instanceof GatewayError || isTimeout(cause)
    ? explainUpstreamFailure(cause)
    : rejectAnswer(cause);
}

/** The error of a call to which no answer came in time. */
export function upstreamTimeout(cause?: unknown): GatewayError {
  return new GatewayError('upstream_timeout', { detail: 'The API did not respond in time.', cause });
}

/** Tells whether a call failed on a kept-alive connection that the upstream had closed, before anything was answered. */
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

function rejectAnswer(cause: unknown): GatewayError {
  const detail = 'The API sent a response that is not valid HTTP.';
  return new GatewayError('upstream_invalid_response', { detail, cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
