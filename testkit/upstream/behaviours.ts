import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpstreamRequest } from './request.ts';

/** A way to respond to a request. */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  record: UpstreamRequest,
) => void | Promise<void>;

/** Reads the body and responds 200 with the received request, except for the access token. */
export const echo: Behaviour = async (_request, response, record) => {
  await record.readBody();
  const { method, target, bodyBytes, bodySha256, trailers } = record;
  const headers = record.headers.filter(([name]) => name.toLowerCase() !== 'authorization');
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method, target, headers, bodyBytes, bodySha256, trailers }));
};

/** Reads the body and responds with a status, and with headers and a body if given. */
export function status(code: number, headers: OutgoingHttpHeaders = {}, body = ''): Behaviour {
  return async (_request, response, record) => {
    await record.readBody();
    response.writeHead(code, headers).end(body);
  };
}

/** Responds before the body is read. */
export function respondEarly(code: number): Behaviour {
  return (_request, response) => {
    response.writeHead(code).end();
  };
}

/** Passes requests with valid bearer tokens on; responds 401 `invalid_token` to others (RFC 6750, section 3.1). */
export function requireToken(isValid: (token: string) => boolean, next: Behaviour = echo): Behaviour {
  const refuse = status(401, { 'www-authenticate': 'Bearer error="invalid_token"' });
  return (request, response, record) => {
    const isGood = record.bearer !== undefined && isValid(record.bearer);
    return (isGood ? next : refuse)(request, response, record);
  };
}

/** Uses the behaviours one after the other, one per request, and then repeats the last one. */
export function inSequence(...behaviours: [Behaviour, ...Behaviour[]]): Behaviour {
  let served = 0;
  return (request, response, record) => {
    const behaviour = behaviours[Math.min(served, behaviours.length - 1)] ?? echo;
    served += 1;
    return behaviour(request, response, record);
  };
}

/** Adds header fields to another response, such as several `Set-Cookie`. */
export function withHeaders(headers: Record<string, string | string[]>, next: Behaviour = echo): Behaviour {
  return (request, response, record) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    return next(request, response, record);
  };
}

/** Adds cookies to another response. */
export function setCookie(...cookies: string[]): Behaviour {
  return withHeaders({ 'set-cookie': cookies });
}

/** Redirects. */
export function redirect(location: string, code = 302): Behaviour {
  return status(code, { location });
}

/** Sends 103 Early Hints before another response (RFC 8297). */
export function earlyHints(link: string, next: Behaviour = echo): Behaviour {
  return (request, response, record) => {
    response.writeEarlyHints({ link });
    return next(request, response, record);
  };
}

/** Responds with a chunked body and trailers. */
export function trailers(fields: Record<string, string>, body = 'body'): Behaviour {
  return async (_request, response, record) => {
    await record.readBody();
    response.writeHead(200, { trailer: Object.keys(fields).join(', ') });
    response.write(body);
    response.addTrailers(fields);
    response.end();
  };
}

/** Delays another response. */
export function slowHeaders(ms: number, next: Behaviour = echo): Behaviour {
  return async (request, response, record) => {
    await sleep(ms);
    await next(request, response, record);
  };
}
