import type { CustomFetch } from 'openid-client';

/** More than any honest answer of a provider, in bytes; beyond it an answer is not read on. */
const MAX_ANSWER_BYTES = 1_048_576;

/**
 * The fetch under every exchange with the provider: no redirect is followed, no answer is read beyond 1 MiB, and
 * `shape` may mend an answer's text before openid-client sees it. `onExchange` learns whether the provider answered.
 */
export function createProviderFetch(deps: {
  onExchange: (answered: boolean) => void;
  shape: (text: string) => string;
}): CustomFetch {
  return async (url, options) => {
    try {
      const response = await fetch(url, { ...options, body: readableBody(options.body) });
      const text = await readText(response);
      deps.onExchange(response.status < 500);
      const headers = new Headers(response.headers);
      headers.delete('content-encoding');
      headers.delete('content-length');
      const hasBody = text !== '' && response.status !== 204 && response.status !== 304;
      return new Response(hasBody ? deps.shape(text) : null, { status: response.status, headers });
    } catch (error) {
      deps.onExchange(false);
      throw error;
    }
  };
}

/** openid-client 6 sends URLSearchParams and strings only; the wider type of its hook is narrowed here. */
function readableBody(body: Parameters<CustomFetch>[1]['body']): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return body;
  if (body instanceof URLSearchParams) return body.toString();
  throw new TypeError('unexpected kind of request body');
}

async function readText(response: Response): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new Error(`the provider's answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
