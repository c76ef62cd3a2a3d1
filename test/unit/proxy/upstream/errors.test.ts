import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import {
  explainBrokenResponse,
  explainUpstreamFailure,
  isStaleConnection,
} from '../../../../src/proxy/upstream/errors.ts';
import { CallError, type CallFailure } from '../../../../src/proxy/upstream/http1/call-error.ts';

const failed = (kind: CallFailure) => new CallError(kind, 'canary');
const coded = (code: string) => Object.assign(new Error(`canary ${code}`), { code });

describe('a failed upstream call', () => {
  it.each([
    ['upstream_timeout', failed('timeout')],
    ['upstream_timeout', coded('ETIMEDOUT')],
    ['upstream_invalid_response', failed('invalid')],
    ['upstream_invalid_response', coded('HPE_HEADER_OVERFLOW')],
    ['bad_request', failed('unsendable')],
    ['upstream_unreachable', coded('ECONNREFUSED')],
    ['upstream_unreachable', coded('ENOTFOUND')],
    ['upstream_unreachable', coded('DEPTH_ZERO_SELF_SIGNED_CERT')],
    ['upstream_unreachable', failed('closed')],
    ['upstream_unreachable', failed('incomplete')],
    ['upstream_unreachable', new Error('canary')],
    ['upstream_unreachable', 'canary'],
    ['upstream_unreachable', undefined],
  ])('becomes %s for %o, with a message of the gateway', (code, cause) => {
    const error = explainUpstreamFailure(cause);
    expect(error).toMatchObject({ code });
    expect(error.cause).toBe(cause);
    expect(error.message).not.toContain('canary');
  });

  it('that is already explained stays unchanged', () => {
    const error = new GatewayError('body_too_large');
    expect(explainUpstreamFailure(error)).toBe(error);
    expect(explainBrokenResponse(error)).toBe(error);
  });
});

describe('a response that broke off before its head was complete', () => {
  it.each([
    ['upstream_timeout', failed('timeout')],
    ['upstream_invalid_response', coded('ECONNRESET')],
    ['upstream_invalid_response', coded('HPE_INVALID_CONSTANT')],
  ])('becomes %s for %o (F21)', (code, cause) => {
    expect(explainBrokenResponse(cause)).toMatchObject({ code });
  });
});

describe('a stale connection', () => {
  it('is one that the upstream closed before it sent any response', () => {
    for (const cause of [failed('closed'), coded('ECONNRESET'), coded('EPIPE')])
      expect(isStaleConnection(cause)).toBe(true);
    for (const cause of [
      coded('ECONNREFUSED'),
      failed('timeout'),
      failed('invalid'),
      failed('incomplete'),
      new Error('?'),
      undefined,
    ])
      expect(isStaleConnection(cause)).toBe(false);
  });
});
