import type { ProviderResponse } from './call.ts';

/**
 * A successful response whose text is there already, and which can be read more than once. Reading it through the stream of a
 * `Response` takes 8 µs.
 */
class TextResponse extends Response {
  readonly #text: string;

  constructor(text: string, headers: ProviderResponse['headers']) {
    super(null, { status: 200, headers: [...headers] });
    this.#text = text;
  }

  override async text(): Promise<string> {
    return this.#text;
  }

  override async json(): Promise<unknown> {
    return JSON.parse(this.#text);
  }

  override clone(): TextResponse {
    return new TextResponse(this.#text, [...this.headers]);
  }
}

/** Creates the response that openid-client gets. */
export function createResponse(
  text: string | null,
  status: number,
  headers: ProviderResponse['headers'],
): Response {
  if (status === 200 && text !== null) return new TextResponse(text, headers);
  return new Response(text, { status, headers: [...headers] });
}
