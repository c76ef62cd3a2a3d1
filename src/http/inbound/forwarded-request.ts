import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';
import { parseTarget, type Target } from './target.ts';

/** The request that a proxy asks about: its target, and its method where the proxy names it. */
type Forwarded = { readonly target: Target; readonly method: string | undefined };

/**
 * Reads `X-Forwarded-Uri` and `X-Forwarded-Method`, or `X-Original-URI` and `X-Original-Method`, of a proxy that is trusted.
 * Throws `bad_request` without a URI, and `not_allowed` for one that is malformed.
 *
 * SECURITY: a proxy sets one of the two names, and may pass on the other one as the client wrote it. Two different values are
 * refused.
 */
export function readForwardedRequest({ headers }: Pick<IncomingMessage, 'headers'>): Forwarded {
  const uri = agreed(headers['x-forwarded-uri'], headers['x-original-uri']);
  const method = agreed(headers['x-forwarded-method'], headers['x-original-method']);
  if (uri === undefined) {
    throw new GatewayError('bad_request', {
      detail: 'The proxy sends neither X-Forwarded-Uri nor X-Original-URI.',
    });
  }
  try {
    return { target: parseTarget(uri), method };
  } catch (cause) {
    throw new GatewayError('not_allowed', { detail: 'The path of the request is malformed.', cause });
  }
}

type Field = string | string[] | undefined;

function agreed(one: Field, other: Field): string | undefined {
  const values = new Set([one, other].filter((value) => value !== undefined));
  const [value] = values;
  if (values.size <= 1 && (value === undefined || typeof value === 'string')) return value;
  throw new GatewayError('not_allowed', {
    detail: 'The X-Forwarded- and X-Original- fields of the request differ.',
  });
}
