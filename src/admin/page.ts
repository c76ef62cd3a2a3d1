import type { ServerResponse } from 'node:http';

/** The handlers at one path of the admin listener, by method. GET also handles HEAD. Handlers may throw a `GatewayError`. */
export type Page = Readonly<Record<string, (response: ServerResponse, query: URLSearchParams) => unknown>>;

/** Pages, keyed by path. */
export type Pages = Readonly<Record<string, Page>>;

export function respondJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
