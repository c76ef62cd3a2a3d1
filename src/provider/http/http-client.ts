import type { CustomFetch } from 'openid-client';
import type { ProviderSection } from '../../config/schema/provider-section.ts';
import type { Tracing } from '../../observability/tracing/tracing.ts';
import { Agent } from '../../performance/undici.ts';
import type { ProviderHealth } from '../provider-health.ts';
import { callProvider, type ProviderRequest, type ProviderResponse } from './call.ts';
import { createConnector } from './connector.ts';
import { createResponse } from './text-response.ts';

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
  const call = (request: ProviderRequest): Promise<ProviderResponse> => {
    if (tracing === undefined) return callProvider(agent, request);
    return tracing.span('provider', 'client', async (span) => {
      if (span === undefined) return callProvider(agent, request);
      const { hostname, pathname } = new URL(request.url);
      const headers = { ...request.headers, traceparent: span.traceparent };
      const response = await callProvider(agent, { ...request, headers });
      span.set({
        'http.request.method': request.method,
        'server.address': hostname,
        'url.path': pathname,
        'http.response.status_code': response.status,
      });
      return response;
    });
  };

  return {
    fetchWith({ transformText = (text) => text, maySend }) {
      return async (url, { method, headers, signal, body }) => {
        let isSent = false;
        // A process that was suspended while it connected learns here that its lock has expired.
        const beforeSend = () => {
          if (maySend?.() === false)
            throw new NotSentError('the session lock expired before the request was sent');
          isSent = true;
        };
        try {
          const request = { url, method: method, headers, signal, body: readableBody(body), beforeSend };
          const { status, text, headers: fields } = await call(request);
          if (status < 500) health.responded();
          else health.failed(new Error(`the provider responded with status ${status}`));
          const hasBody = text !== '' && status !== 204 && status !== 304;
          const transformed = hasBody ? transformText(text, status) : null;
          // Providers label token responses as text or HTML; openid-client would reject them for that.
          const isOther = transformed !== null && transformed !== text;
          return createResponse(transformed, status, isOther ? withJsonType(fields) : fields);
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

function withJsonType(headers: ProviderResponse['headers']): ProviderResponse['headers'] {
  const others = headers.filter(([name]) => name !== 'content-type');
  return [...others, ['content-type', 'application/json']];
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
