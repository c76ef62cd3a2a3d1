import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** True when a request carries the admin token (RFC 6750, section 2.1). */
export type BearerCheck = (request: IncomingMessage) => boolean;

/** SECURITY: compares hashes of equal length in constant time, so that the duration reveals nothing about the token. */
export function createBearerCheck(token: string): BearerCheck {
  const expected = digestOf(token);
  return ({ headers }) => {
    const [, sent = ''] = /^Bearer +([^ ]+)$/i.exec(headers.authorization ?? '') ?? [];
    return timingSafeEqual(digestOf(sent), expected);
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
