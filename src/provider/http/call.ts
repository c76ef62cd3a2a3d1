import { isUtf8 } from 'node:buffer';
// By the default export: a Node.js without zstd must reach the sentence that names the supported versions.
import zlib from 'node:zlib';
import type { Dispatcher } from 'undici';
import { RESPONSE_GRACE_MS } from '../../timing.ts';

/** One request to a provider. */
export type ProviderRequest = {
  readonly url: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: AbortSignal | undefined;
  /** Called as late as possible: on a connection, right before the request is written. An error sends nothing. */
  readonly beforeSend: () => void;
};

/** The whole response to it; the body is decompressed. */
export type ProviderResponse = {
  readonly status: number;
  readonly headers: readonly [name: string, value: string][];
  readonly text: string;
};

/** Larger than any legitimate response of a provider, in bytes. */
const MAX_RESPONSE_BYTES = 1_048_576;
/** More than any provider applies, one after the other. */
const MAX_CODINGS = 4;

/** The fields that arrived, by their names in lower case. */
type ReceivedFields = Readonly<Record<string, string | string[] | undefined>>;

/** Drops a byte order mark, and replaces what is not UTF-8. */
const decoder = new TextDecoder();

/** The names of fields that describe the bytes on the wire and not the text. */
const ofWire: ReadonlySet<string> = new Set(['content-encoding', 'content-length', 'transfer-encoding']);

/**
 * Sends a request and reads its whole response, of at most 1 MiB. It follows no redirect. With undici's `dispatch`, because its
 * `fetch` takes four times the CPU time. Rejects with the reason of the signal, {@link RESPONSE_GRACE_MS} later than that.
 */
export function callProvider(dispatcher: Dispatcher, request: ProviderRequest): Promise<ProviderResponse> {
  const { url, method, headers, body, signal, beforeSend } = request;
  const { origin, pathname, search } = new URL(url);
  const response = Promise.withResolvers<ProviderResponse>();
  let controller: Dispatcher.DispatchController | undefined;
  /** Why this function gave the request up. */
  let failure: Error | undefined;
  const giveUp = (reason: unknown) => {
    failure = toError(reason);
    controller?.abort(failure);
  };
  const abort = () => {
    giveUp(signal?.reason);
    response.reject(signal?.reason);
  };
  let timer: NodeJS.Timeout | undefined;
  const onAbort = () => (timer = setTimeout(abort, RESPONSE_GRACE_MS).unref());
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });

  let status = 0;
  let fields: ReceivedFields = {};
  let size = 0;
  const chunks: Buffer[] = [];
  const settle = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
  dispatcher.dispatch(
    { origin, path: pathname + search, method, headers: withDefaults(headers), body },
    {
      onRequestStart(given) {
        controller = given;
        if (failure !== undefined) return given.abort(failure);
        try {
          beforeSend();
        } catch (error) {
          giveUp(error);
        }
      },
      onResponseStart(_, code, received) {
        // Informational responses come before the response.
        if (code < 200) return;
        status = code;
        fields = received;
      },
      onResponseData(_, chunk) {
        size += chunk.length;
        if (size > MAX_RESPONSE_BYTES) return giveUp(tooLong());
        chunks.push(chunk);
      },
      onResponseEnd() {
        settle();
        try {
          const bytes = decompress(Buffer.concat(chunks), [fields['content-encoding'] ?? []].flat());
          response.resolve({ status, headers: headersOf(fields), text: decoder.decode(bytes) });
        } catch (error) {
          response.reject(error);
        }
      },
      onResponseError(_, error) {
        settle();
        // As fetch does: openid-client takes any other error for a flaw of the response.
        response.reject(failure ?? new TypeError('the request failed', { cause: error }));
      },
    },
  );
  return response.promise;
}

/** Some servers refuse a request without a name of its sender, and some compress unless they are asked not to. */
function withDefaults(headers: Readonly<Record<string, string>>): Record<string, string> {
  return { 'user-agent': 'coatcheck', 'accept-encoding': 'gzip, deflate, br', ...headers };
}

function headersOf(received: ReceivedFields): [name: string, value: string][] {
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(received)) {
    if (ofWire.has(name)) continue;
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) headers.push([name, one]);
  }
  return headers;
}

/** Undoes the content codings, the last one first (RFC 9110, section 8.4). */
function decompress(bytes: Buffer, contentEncodings: readonly string[]): Buffer {
  // A response to HEAD, or an empty one, may name the coding that a body would have.
  if (bytes.length === 0) return bytes;
  const codings = contentEncodings
    .flatMap((field) => field.toLowerCase().split(','))
    .map((coding) => coding.replaceAll(/[\t ]/g, ''))
    .filter((coding) => coding !== '' && coding !== 'identity');
  if (codings.length > MAX_CODINGS) throw new Error("the provider's response has too many content codings");
  const decompressed = codings.reduceRight((coded, coding) => decoders.get(coding)?.(coded) ?? coded, bytes);
  // Some servers name a charset here. Bytes that are no text may hold the only copy of a refresh token: that is no success.
  if (!codings.every((coding) => decoders.has(coding)) && !isUtf8(decompressed))
    throw new Error("the provider's response has an unknown content coding");
  return decompressed;
}

const limit = { maxOutputLength: MAX_RESPONSE_BYTES };
/** RFC 9659 allows a window of 8 MiB. */
const zstdLimit = { ...limit, params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } };

const decoders: ReadonlyMap<string, (coded: Buffer) => Buffer> = new Map([
  ['gzip', (coded) => zlib.unzipSync(coded, limit)],
  ['x-gzip', (coded) => zlib.unzipSync(coded, limit)],
  // Some servers leave out the zlib format (RFC 9110, section 8.4.1.2), whose first byte has the method 8.
  ['deflate', (coded) => (isZlib(coded) ? zlib.unzipSync(coded, limit) : zlib.inflateRawSync(coded, limit))],
  ['br', (coded) => zlib.brotliDecompressSync(coded, limit)],
  ['zstd', (coded) => zlib.zstdDecompressSync(coded, zstdLimit)],
]);

function isZlib(bytes: Buffer): boolean {
  return ((bytes[0] ?? 0) & 0x0f) === 0x08;
}

function tooLong(): Error {
  return new Error(`the provider's response is longer than ${MAX_RESPONSE_BYTES} bytes`);
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('the request was aborted', { cause: reason });
}
