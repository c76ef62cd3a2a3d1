import { invalid, parseFields, type Fields } from './response-fields.ts';

/** The head of a response, as it was sent. */
export type ResponseStart = {
  readonly status: number;
  readonly fields: Fields;
  /** True if a field came more than once. */
  readonly hasRepetitions: boolean;
  /** How its body ends. */
  readonly body: BodyFraming;
  /** True if the connection may be used for another request after this response. */
  readonly isReusable: boolean;
  /** How long the server keeps the connection, in milliseconds, where it says so. */
  readonly keepAliveMs: number | undefined;
};

/** How the body of a response ends (RFC 9112, section 6.3): there is none, by its length, by its chunks, or with its connection. */
export type BodyFraming =
  { readonly kind: 'none' | 'chunked' | 'close' } | { readonly kind: 'length'; readonly bytes: number };

const NONE: BodyFraming = { kind: 'none' };
const CHUNKED: BodyFraming = { kind: 'chunked' };
const CLOSE: BodyFraming = { kind: 'close' };

/** A status line of a version that this client speaks. What the reason says does not matter. */
const statusLine = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n]*)?\r\n/;

/**
 * Parses a head, up to the CR LF of its last field. Throws for one that is not valid HTTP/1.1, or that another reader could frame
 * differently (RFC 9112, sections 4 to 6).
 */
export function parseResponseStart(text: string, requestMethod: string): ResponseStart {
  const line = statusLine.exec(text);
  if (line === null) throw invalid('its status line');
  const [{ length }, minorVersion, digits] = line;
  const status = Number(digits);
  if (status < 100) throw invalid(`the status is ${digits}`);
  if (status === 101) throw invalid('an upgrade that was not requested');
  const { fields, hasRepetitions } = parseFields(text, length);
  const declared = declaredFraming(fields);
  const isBodiless = requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304;
  const body = isBodiless ? NONE : (declared ?? CLOSE);
  return {
    status,
    fields,
    hasRepetitions,
    body,
    isReusable:
      minorVersion === '1' &&
      body !== CLOSE &&
      // SECURITY: a server that announces a body where there can be none may also send it, as the next response.
      !(isBodiless && declared !== undefined && declared !== NONE) &&
      !saysClose(fields.connection),
    keepAliveMs: keepAliveOf(fields['keep-alive']),
  };
}

/** What the fields say about the body; undefined if nothing. */
function declaredFraming(fields: Fields): BodyFraming | undefined {
  const coding = fields['transfer-encoding'];
  const length: string | readonly string[] | undefined = fields['content-length'];
  if (coding !== undefined) {
    // SECURITY: with both, one reader frames by the length and another one by the chunks.
    if (length !== undefined) throw invalid('it has a Content-Length and a Transfer-Encoding');
    if (typeof coding !== 'string' || !/^chunked$/i.test(coding))
      throw invalid('it has a transfer coding other than chunked');
    return CHUNKED;
  }
  if (length === undefined) return undefined;
  const bytes = typeof length === 'string' && /^\d+$/.test(length) ? Number(length) : NaN;
  if (!Number.isSafeInteger(bytes)) throw invalid('its Content-Length');
  return bytes === 0 ? NONE : { kind: 'length', bytes };
}

function saysClose(connection: string | readonly string[] | undefined): boolean {
  if (connection === undefined || connection === 'keep-alive') return false;
  return /(?:^|[, \t])close(?:$|[, \t])/i.test(String(connection));
}

function keepAliveOf(value: string | readonly string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /(?:^|[, \t])timeout=(\d{1,9})/i.exec(String(value))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
