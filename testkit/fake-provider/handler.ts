import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ProviderResponse, ProviderRequest } from './messages.ts';
import type { FaultLine } from './faults.ts';
import type { Endpoint, Paths } from './endpoints/metadata.ts';
import { ProtocolError } from './protocol-error.ts';
import type { ProviderSettings } from './settings.ts';
import type { RequestLog } from './request-log.ts';

type HandlerParts = {
  endpoints: Record<Endpoint, (request: ProviderRequest) => Promise<ProviderResponse>>;
  requestLog: RequestLog;
  faultLine: FaultLine;
  paths: Paths;
  settings: ProviderSettings;
};

/** Routes each request to its endpoint, after recording it and applying the faults. */
export function createHandler(parts: HandlerParts): RequestListener {
  const { endpoints, requestLog, faultLine, paths, settings } = parts;

  return (incoming, response) => {
    void handle(incoming, response);
  };

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://provider.invalid');
    const endpoint = (Object.keys(paths) as Endpoint[]).find((name) => paths[name] === pathname);
    if (endpoint === undefined) return write(response, { status: 404, body: 'not found' });

    const body = await text(incoming).catch(() => undefined);
    if (body === undefined) return; // The client disconnected while it was sending.
    const request: ProviderRequest = {
      method: incoming.method ?? 'GET',
      query: searchParams,
      form: isForm(incoming) ? new URLSearchParams(body) : undefined,
      authorization: incoming.headers.authorization,
      proof: headerOf(incoming, 'dpop'),
    };
    const record = {
      endpoint,
      method: request.method,
      query: Object.fromEntries(request.query),
      form: request.form && Object.fromEntries(request.form),
      headers: incoming.headers,
      authorization: request.authorization,
      socket: incoming.socket,
      atMs: Date.now(),
      status: undefined as number | undefined,
    };
    const complete = requestLog.add(record);
    const outcome = await faultLine.pass(endpoint, () => respond(endpoints[endpoint], request, settings));
    complete();
    if (outcome === 'dropped') {
      incoming.socket.destroy();
      return;
    }
    record.status = outcome.status;
    write(response, outcome);
  }
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value.join(', ') : value;
}

function isForm(incoming: IncomingMessage): boolean {
  const [type = ''] = (incoming.headers['content-type'] ?? '').split(';');
  return incoming.method === 'POST' && type.trim().toLowerCase() === 'application/x-www-form-urlencoded';
}

async function respond(
  endpoint: (request: ProviderRequest) => Promise<ProviderResponse>,
  request: ProviderRequest,
  { patchRefusal = (refusal) => refusal, proofs }: ProviderSettings,
): Promise<ProviderResponse> {
  const nonce = () => (proofs?.nonce === undefined ? {} : { 'dpop-nonce': proofs.nonce });
  try {
    const response = await endpoint(request);
    return { ...response, headers: { ...response.headers, ...nonce() } };
  } catch (error) {
    const refusal =
      error instanceof ProtocolError
        ? patchRefusal(error)
        : new ProtocolError('server_error', String(error), 500);
    const body = { error: refusal.error, error_description: refusal.message, ...refusal.members };
    return { status: refusal.status, headers: { ...refusal.headers, ...nonce() }, body };
  }
}

function write(response: ServerResponse, { status, headers = {}, body = '' }: ProviderResponse): void {
  const isJson = typeof body === 'object' && !Buffer.isBuffer(body);
  response.writeHead(status, {
    'cache-control': 'no-store',
    ...(isJson && { 'content-type': 'application/json' }),
    ...headers,
  });
  response.end(isJson ? JSON.stringify(body) : body);
}
