import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';
import type { ClientAddress } from '../http/inbound/client-address.ts';
import { createFailureLimit, type FailureLimit } from '../http/rate-limit/failure-limit.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';

/**
 * Throws `admin_token_required` unless a request carries the admin token (RFC 6750, section 2.1), and `rate_limited` after
 * too many wrong tokens from its address.
 */
export type TokenCheck = (request: IncomingMessage, requestId: string) => void;

/** How many wrong tokens one address may send in a minute to one process. */
const WRONG_TOKENS_PER_MINUTE = 30;

/** Counts wrong tokens. The count outlives a reload, which may replace the token. */
export function createWrongTokenLimit(clock: () => number): FailureLimit {
  return createFailureLimit({ name: 'adminToken', perMinute: WRONG_TOKENS_PER_MINUTE, clock });
}

export function createTokenCheck(deps: {
  token: string;
  clientAddress: ClientAddress;
  wrongTokens: FailureLimit;
  metrics: Metrics;
  log: Logger;
}): TokenCheck {
  const { clientAddress, wrongTokens, metrics, log } = deps;
  const expected = digestOf(deps.token);

  return (request, requestId) => {
    const { authorization } = request.headers;
    const address = clientAddress(request);
    // SECURITY: before the comparison, or an address over the limit could go on guessing and see which guess is right.
    wrongTokens.check(address);
    if (authorization !== undefined) {
      const [, sent = ''] = /^Bearer +([^ ]+)$/i.exec(authorization) ?? [];
      // SECURITY: hashes of equal length in constant time, so that the duration reveals nothing about the token.
      if (timingSafeEqual(digestOf(sent), expected)) return;
      wrongTokens.count(address);
      metrics.wrongAdminToken();
      log.warn({ requestId, clientAddress: address }, 'admin request with a wrong token');
    }
    throw new GatewayError('admin_token_required', {
      detail: 'Send the admin token: Authorization: Bearer <admin.token>.',
    });
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
