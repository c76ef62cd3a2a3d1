import type { ServerResponse } from 'node:http';

/** What is at one path of the admin listener, by method. HEAD is answered as GET is. */
export type Page = Readonly<Record<string, (response: ServerResponse, query: URLSearchParams) => unknown>>;

/** Pages by their path. */
export type Pages = Readonly<Record<string, Page>>;

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}
