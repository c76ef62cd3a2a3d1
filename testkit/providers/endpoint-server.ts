import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { listenOnLoopback } from '../network/loopback-server.ts';

/** A request to a fake endpoint. */
export type EndpointRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  /** By the clock of the server. */
  readonly atMs: number;
};

/** The response of a fake endpoint; an object is sent as JSON. */
export type EndpointResponse = {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: object | string;
};

/** An error response, thrown by an endpoint. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly response: EndpointResponse;

  constructor(status: number, body: object, headers: Record<string, string> = {}) {
    super(`${status} ${JSON.stringify(body)}`);
    this.response = { status, body, headers };
  }
}

/** Endpoints by `METHOD /path`. */
export type Endpoints = Record<
  string,
  (request: EndpointRequest) => EndpointResponse | Promise<EndpointResponse>
>;

/** A server with these endpoints. */
export type EndpointServer = {
  readonly url: string;
  /** Every request to an endpoint, in order. */
  readonly requests: EndpointRequest[];
  /** Responds instead of the endpoint, unless it returns undefined. */
  fault: ((request: EndpointRequest) => EndpointResponse | undefined) | undefined;
  /** Delays the response of an endpoint after its processing. */
  hold: ((request: EndpointRequest) => Promise<unknown> | undefined) | undefined;
  stop(): Promise<void>;
  start(): Promise<void>;
};

/** The response of an endpoint, also of one that throws it. */
async function responseOf(
  respond: () => EndpointResponse | Promise<EndpointResponse>,
): Promise<EndpointResponse> {
  try {
    return await respond();
  } catch (error) {
    if (error instanceof Refusal) return error.response;
    throw error;
  }
}

/** Serves endpoints on a free port of 127.0.0.1. `Date` headers follow `clock`. */
export async function startEndpointServer(
  clock: () => number,
  endpoints: (url: string) => Endpoints,
): Promise<EndpointServer> {
  const server = createServer();
  const loopback = await listenOnLoopback(server);
  const url = `http://127.0.0.1:${loopback.port}`;
  const table = endpoints(url);

  const respondTo = async (request: EndpointRequest): Promise<EndpointResponse> => {
    const endpoint = table[`${request.method} ${request.path}`];
    if (endpoint === undefined) return { status: 404, body: { message: 'not found' } };
    own.requests.push(request);
    const response = own.fault?.(request) ?? (await responseOf(() => endpoint(request)));
    await own.hold?.(request);
    return response;
  };

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', url);
    const body = await text(incoming).catch(() => undefined);
    if (body === undefined) return; // The client disconnected while it was sending.
    const {
      status,
      headers = {},
      body: sent = '',
    } = await respondTo({
      method: incoming.method ?? 'GET',
      path: pathname,
      query: searchParams,
      headers: incoming.headers,
      body,
      atMs: clock(),
    });
    response.writeHead(status, {
      date: new Date(clock()).toUTCString(),
      ...(typeof sent === 'object' && { 'content-type': 'application/json' }),
      ...headers,
    });
    response.end(typeof sent === 'object' ? JSON.stringify(sent) : sent);
  };
  server.on('request', (incoming, response) => void serve(incoming, response));

  const own: EndpointServer = {
    url,
    requests: [],
    fault: undefined,
    hold: undefined,
    stop: loopback.stop,
    start: loopback.start,
  };
  return own;
}

/** The members of a posted JSON object. Throws {@link Refusal} 400 or 415. */
export function jsonOf({ headers, body }: EndpointRequest): Record<string, unknown> {
  if (headers['content-type'] !== 'application/json') throw new Refusal(415, { message: 'JSON is needed' });
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Rejected below, like any other value that is not an object.
  }
  throw new Refusal(400, { message: 'a JSON object is needed' });
}
