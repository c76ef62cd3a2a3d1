import type { ServerResponse } from 'node:http';

/** The handlers at one path of the admin listener, by method. HEAD is served as GET is. Each may throw a `GatewayError`. */
export type Page = Readonly<Record<string, (response: ServerResponse, query: URLSearchParams) => unknown>>;

/** Pages by their path. */
export type Pages = Readonly<Record<string, Page>>;

/** Responds with JSON. */
export function respondJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
