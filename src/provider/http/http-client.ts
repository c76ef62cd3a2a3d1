import type { CustomFetch } from 'openid-client';
import { Agent, fetch, type Dispatcher, type RequestInit, type Response as UndiciResponse } from 'undici';
import type { ProviderSection } from '../../config/schema/provider-section.ts';
import { createConnector } from './connector.ts';
import type { Tracing } from '../../observability/tracing/tracing.ts';
import type { ProviderHealth } from '../provider-health.ts';

/** The connections to one provider, and the fetch that goes over them. */
export type ProviderClient = {
  /**
   * Creates a fetch for openid-client. It follows no redirect, reads at most 1 MiB of a response, and passes the text of
   * each response through `transformText`, whose result is JSON when it differs. With `maySend`, a request of which nothing was sent fails with
   * {@link NotSentError}: either there was no connection, or `maySend` returned false right before the request was written.
   */
  fetchWith(options: { transformText?: TransformText; maySend?: () => boolean }): CustomFetch;
  close(): void;
};

/** Changes the text of a response, given its status. */
export type TransformText = (text: string, status: number) => string;

/** Nothing of the request was sent: there was no connection, or `maySend` returned false. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

/** Larger than any legitimate response of a provider, in bytes. */
const MAX_RESPONSE_BYTES = 1_048_576;

/**
 * How long a response may still arrive after the timeout, in milliseconds. After a suspended process resumes, its timers
 * fire before it reads what arrived meanwhile, which may be the only copy of a rotated refresh token.
 */
const TIMEOUT_GRACE_MS = 250;

/** Opens connections to a provider, and reports after each call whether the provider responded. */
export function createProviderClient(deps: {
  config: Pick<ProviderSection, 'proxy' | 'tls'>;
  health: Pick<ProviderHealth, 'responded' | 'failed'>;
  tracing?: Tracing | undefined;
}): ProviderClient {
  // HTTP/1.1 only: over HTTP/2, undici 8 calls `onRequestStart` at another moment, and `maySend` relies on it.
  const agent = new Agent({ keepAliveTimeout: 4_000, connect: createConnector(deps.config), allowH2: false });
  const { health, tracing } = deps;

  /** SECURITY: the span has no query, which may hold a code or a token. */
  const send = (
    url: string,
    init: Omit<RequestInit, 'headers'> & { method: string; headers: Record<string, string> },
  ): Promise<UndiciResponse> => {
    if (tracing === undefined) return fetch(url, init);
    return tracing.span('provider', 'client', async (span) => {
      if (span === undefined) return fetch(url, init);
      const { hostname, pathname } = new URL(url);
      const headers = { ...init.headers, traceparent: span.traceparent };
      const response = await fetch(url, { ...init, headers });
      span.set({
        'http.request.method': init.method,
        'server.address': hostname,
        'url.path': pathname,
        'http.response.status_code': response.status,
      });
      return response;
    });
  };

  return {
    fetchWith({ transformText = (text) => text, maySend }) {
      return async (url, options) => {
        let isSent = false;
        const beforeSend = () => {
          const isAllowed = maySend?.() ?? true;
          isSent ||= isAllowed;
          return isAllowed;
        };
        try {
          const { method, headers, redirect } = options;
          const signal = withGrace(options.signal);
          const body = readableBody(options.body);
          const dispatcher = agent.compose(checkingBeforeSend(beforeSend));
          const response = await send(url, { signal, method, headers, redirect, body, dispatcher });
          const text = await readText(response.body);
          if (response.status < 500) health.responded();
          else health.failed(new Error(`the provider responded with status ${response.status}`));
          const decodedHeaders = new Headers([...response.headers]);
          decodedHeaders.delete('content-encoding');
          decodedHeaders.delete('content-length');
          const hasBody = text !== '' && response.status !== 204 && response.status !== 304;
          const transformed = hasBody ? transformText(text, response.status) : null;
          // Providers label token responses as text or HTML; openid-client would reject them for that.
          if (transformed !== null && transformed !== text)
            decodedHeaders.set('content-type', 'application/json');
          return new Response(transformed, {
            status: response.status,
            headers: decodedHeaders,
          });
        } catch (error) {
          if (!isNotSent(error)) health.failed(error);
          throw maySend !== undefined && !isSent
            ? new NotSentError('the request was not sent', { cause: error })
            : error;
        }
      };
    },
    close: () => void agent.destroy(),
  };
}

/**
 * Calls `maySend` as late as possible: undici 8 calls `onRequestStart` once it has a connection and before it writes. A
 * process that was suspended while it connected learns here that its lock has expired.
 */
function checkingBeforeSend(maySend: () => boolean): Dispatcher.DispatcherComposeInterceptor {
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

/** A signal that aborts {@link TIMEOUT_GRACE_MS} after another one. */
function withGrace(signal: AbortSignal | undefined): AbortSignal | null {
  if (signal === undefined) return null;
  const later = new AbortController();
  const follow = () => void setTimeout(() => later.abort(signal.reason), TIMEOUT_GRACE_MS).unref();
  if (signal.aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return later.signal;
}

/** True when the error, or one of its causes, says that nothing was sent. */
export function isNotSent(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof NotSentError) return true;
  }
  return false;
}

/** Narrows the type of openid-client 6's hook, which sends URLSearchParams and strings only. */
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
    if (size > MAX_RESPONSE_BYTES)
      throw new Error(`the provider's response is longer than ${MAX_RESPONSE_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
