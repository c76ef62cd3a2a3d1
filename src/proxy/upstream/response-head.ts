import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
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
 * Reads a head that was parsed; `hasRepetitions` is true if a field came more than once. Throws `upstream_invalid_response` for one that another reader could frame or follow
 * differently (RFC 9112, section 6; RFC 9110, sections 8.6 and 10.2.2).
 */
export function readResponseHead(
  status: number,
  headers: IncomingHttpHeaders,
  hasRepetitions: boolean,
): ResponseHead {
  const single = hasRepetitions ? withoutRepetitions(headers) : headers;
  return { status, headers: status === 204 ? withoutLength(single) : single };
}

/** The same for a head that Node's own client parsed: it drops repetitions itself, and tells the version of HTTP. */
export function readUpgradeResponseHead(message: IncomingMessage): ResponseHead {
  const { statusCode = 0, headers, headersDistinct, httpVersion, httpVersionMajor } = message;
  if (httpVersionMajor !== 1) throw invalidResponse(`its version is HTTP/${httpVersion}`);
  if (statusCode < 100) throw invalidResponse(`the status is ${statusCode}`);
  if ((headersDistinct['location']?.length ?? 0) > 1) throw invalidResponse('it has more than one Location');
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    throw invalidResponse('it has a transfer coding other than chunked');
  return readResponseHead(statusCode, headers, false);
}

/** The fields of a head as a flat list of names and values. */
export function flatFieldsOf({ headers }: ResponseHead): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'object' ? value.flatMap((each) => [name, each]) : [name, value ?? ''],
  );
}

/** A 204 has no Content-Length (RFC 9110, section 8.6). A 0 does no harm, and is dropped. */
function withoutLength({
  'content-length': length = '0',
  ...headers
}: IncomingHttpHeaders): IncomingHttpHeaders {
  if (length !== '0') throw invalidResponse('it is a 204 with a Content-Length');
  return headers;
}

function withoutRepetitions(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  if (Array.isArray(headers.location)) throw invalidResponse('it has more than one Location');
  const repeated = singletons.filter((name) => typeof headers[name] === 'object');
  if (repeated.length === 0) return headers;
  return {
    ...headers,
    ...Object.fromEntries(repeated.map((name) => [name, headers[name]?.[0]])),
  };
}

/** The error of a response that is not valid HTTP; the reason is logged, and not sent. */
export function invalidResponse(reason: string): GatewayError {
  return new GatewayError('upstream_invalid_response', {
    detail: 'The API sent a response that is not valid HTTP.',
    cause: new Error(`the response head of the upstream is invalid: ${reason}`),
  });
}
