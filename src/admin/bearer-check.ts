import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Tells whether a request has the admin token (RFC 6750, section 2.1). */
export type BearerCheck = (request: IncomingMessage) => boolean;

/** SECURITY: takes as long whatever was sent: hashes, which are all of one length, are compared in constant time. */
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
