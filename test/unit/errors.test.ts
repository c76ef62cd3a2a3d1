import { describe, expect, it } from 'vitest';
import { GatewayError, type ErrorCode } from '../../src/errors.ts';

describe('a gateway error', () => {
  it.each<[ErrorCode, number]>([
    ['bad_request', 400],
    ['login_failed', 400],
    ['session_required', 401],
    ['session_expired', 401],
    ['step_up_required', 401],
    ['csrf_rejected', 403],
    ['origin_rejected', 403],
    ['not_found', 404],
    ['method_not_allowed', 405],
    ['body_too_large', 413],
    ['wrong_host', 421],
    ['rate_limited', 429],
    ['internal_error', 500],
    ['upstream_unreachable', 502],
    ['upstream_invalid_response', 502],
    ['provider_invalid_response', 502],
    ['token_exchange_refused', 502],
    ['store_unavailable', 503],
    ['provider_unavailable', 503],
    ['upstream_timeout', 504],
  ])('the error %s has status %i', (code, status) => {
    expect(new GatewayError(code)).toMatchObject({ name: 'GatewayError', code, status, message: code });
  });

  it('a gateway error separates the detail for the client from the cause', () => {
    const cause = new Error('canary');
    const error = new GatewayError('store_unavailable', {
      detail: 'Try again.',
      retryAfterSeconds: 2,
      cause,
    });
    expect(error.message).toBe('Try again.');
    expect(error.cause).toBe(cause);
    expect(error.options.retryAfterSeconds).toBe(2);
    expect('cause' in new GatewayError('not_found')).toBe(false);
  });
});
