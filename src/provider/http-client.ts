import type { CustomFetch } from 'openid-client';
import { Agent, fetch, type Dispatcher } from 'undici';

/** The connections to one provider, and the fetch that goes over them. */
export type ProviderClient = {
  /**
   * Makes a fetch for openid-client: no redirect is followed, no answer is read beyond 1 MiB, and `shape` may mend an
   * answer's text before it is seen. With `maySend`, a request of which nothing was sent fails with {@link NotSentError}:
   * because that gave false when its turn on the wire had come, or because there was no connection to send it on.
   */
  fetchWith(options: { shape?: (text: string) => string; maySend?: () => boolean }): CustomFetch;
  close(): void;
};

/** A request of which nothing was sent: there was no connection, or its sender had lost the right to. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

/** More than any honest answer of a provider, in bytes; beyond it an answer is not read on. */
const MAX_ANSWER_BYTES = 1_048_576;

/**
 * How long an answer may still come when its time is up, in milliseconds. A process that was stopped finds its timers due
 * before it has read what came meanwhile, and that may be the only copy of a rotated refresh token.
 */
const LAST_LOOK_MS = 250;

/** Opens connections to a provider. `onExchange` learns of each request whether the provider answered it. */
export function createProviderClient(deps: { onExchange: (answered: boolean) => void }): ProviderClient {
  // Over HTTP/2, which undici 8 takes up where it is offered, the last moment before a request is another one.
  const agent = new Agent({ keepAliveTimeout: 4_000, connect: { timeout: 5_000 }, allowH2: false });

  return {
    fetchWith({ shape = (text) => text, maySend }) {
      return async (url, options) => {
        let isSent = false;
        const fence = () => {
          const isOpen = maySend?.() ?? true;
          isSent ||= isOpen;
          return isOpen;
        };
        try {
          const { method, headers, redirect } = options;
          const signal = withLastLook(options.signal);
          const body = readableBody(options.body);
          const dispatcher = agent.compose(asking(fence));
          const response = await fetch(url, { signal, method, headers, redirect, body, dispatcher });
          const text = await readText(response.body);
          deps.onExchange(response.status < 500);
          const shaped = new Headers([...response.headers]);
          shaped.delete('content-encoding');
          shaped.delete('content-length');
          const hasBody = text !== '' && response.status !== 204 && response.status !== 304;
          return new Response(hasBody ? shape(text) : null, { status: response.status, headers: shaped });
        } catch (error) {
          if (!isNotSent(error)) deps.onExchange(false);
          const isFenced = maySend !== undefined;
          throw isFenced && !isSent ? new NotSentError('the request was not sent', { cause: error }) : error;
        }
      };
    },
    close: () => void agent.destroy(),
  };
}

/**
 * Asks at the last moment there is: undici 8 calls `onRequestStart` with a connection in hand and nothing written. A
 * process that was stopped while it connected finds out here that its lock has lapsed.
 */
function asking(maySend: () => boolean): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        if (maySend()) handler.onRequestStart?.(controller, context);
        else controller.abort(new NotSentError('the session lock expired before the request was sent'));
      },
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    });
}

/** A signal that follows another one a moment later. */
function withLastLook(signal: AbortSignal | undefined): AbortSignal | null {
  if (signal === undefined) return null;
  const later = new AbortController();
  const follow = () => void setTimeout(() => later.abort(signal.reason), LAST_LOOK_MS).unref();
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return later.signal;
}

/** Tells whether an error means that nothing was sent. */
export function isNotSent(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof NotSentError) return true;
  }
  return false;
}

/** openid-client 6 sends URLSearchParams and strings only; the wider type of its hook is narrowed here. */
function readableBody(body: Parameters<CustomFetch>[1]['body']): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('unsupported request body type');
}

async function readText(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES)
      throw new Error(`the provider's response is longer than ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
