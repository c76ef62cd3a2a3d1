import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** The head of an upstream's final response, checked and normalised: the one form in which the rest of `proxy/` sees it. */
export type ResponseHead = {
  readonly status: number;
  /** By name in lower case. Only `set-cookie` and list-based fields can have several values. */
  readonly headers: IncomingHttpHeaders;
};

/** Fields of one value, of which the first counts when they are repeated, as for `node:http`. */
const singletons: readonly string[] = [
  'age',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'last-modified',
  'retry-after',
  'server',
  'trailer',
];

/**
 * Reads the head that undici parsed. Throws `upstream_invalid_response` for one that another reader could frame or follow
 * differently (RFC 9112, section 6; RFC 9110, sections 8.6 and 10.2.2).
 */
export function readResponseHead(status: number, headers: IncomingHttpHeaders): ResponseHead {
  if (status < 100) throw invalid(`the status is ${status}`);
  if (Array.isArray(headers.location)) throw invalid('it has more than one Location');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked')
    throw invalid('it has a transfer coding other than chunked');
  if (status === 204 && headers['content-length'] !== undefined && headers['content-length'] !== '0')
    throw invalid('it is a 204 with a Content-Length');
  return { status, headers: withoutRepetitions(headers) };
}

function withoutRepetitions(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const repeated = singletons.filter((name) => typeof headers[name] === 'object');
  if (repeated.length === 0) return headers;
  return {
    ...headers,
    ...Object.fromEntries(repeated.map((name) => [name, headers[name]?.[0]])),
  };
}

function invalid(reason: string): GatewayError {
  return new GatewayError('upstream_invalid_response', {
    detail: 'The API sent a response that is not valid HTTP.',
    cause: new Error(`the response head of the upstream is invalid: ${reason}`),
  });
}
