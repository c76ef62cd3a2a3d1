import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Downstream } from './downstream.ts';
import type { ForwardResult, UpstreamCall } from './forward.ts';

/** Fields a trailer section may not have (RFC 9110, section 6.5.1), and those no client may say to an upstream at all. */
const refused =
  /^(?:authorization|cookie|host|dpop|forwarded|te|trailer|connection|content-.*|transfer-.*|x-forwarded-.*)$/i;

/**
 * Makes a call whose request has a trailer section. undici 8 cannot send one, so these few go by Node's own client, on a
 * connection of their own; they are sent once only.
 */
export function forwardWithTrailers(
  call: UpstreamCall,
  request: IncomingMessage,
  response: ServerResponse,
  downstream: Downstream,
  onHead: (status: number, headers: IncomingMessage['headers']) => void,
): Promise<ForwardResult> {
  return new Promise((resolve, reject) => {
    const url = new URL(call.origin);
    const upstream = (url.protocol === 'https:' ? https : http).request({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      path: call.path,
      method: call.method,
      agent: false,
      setDefaultHeaders: false,
      headers: [...call.headers, 'Transfer-Encoding', 'chunked', 'Trailer', request.headers.trailer ?? ''],
    });
    const giveUp = setTimeout(() => upstream.destroy(timedOut()), call.connectTimeout);
    upstream.once('socket', (socket) => {
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(giveUp));
    });
    const fail = (error: Error) => {
      clearTimeout(giveUp);
      if (response.headersSent) response.destroy();
      reject(error);
    };

    response.once('close', () => {
      if (response.writableFinished) return;
      upstream.destroy();
      resolve('abandoned');
    });
    upstream.once('error', fail);
    upstream.once('response', (answer) => {
      upstream.setTimeout(call.bodyTimeout);
      onHead(answer.statusCode ?? 502, answer.headers);
      downstream.begin(answer.statusCode ?? 502, answer.headers);
      downstream.onDrain(() => answer.resume());
      answer.on('data', (chunk: Buffer) => {
        if (!downstream.write(chunk)) answer.pause();
      });
      answer.once('error', fail);
      answer.once('end', () => {
        downstream.end(answer.trailers);
        resolve('passed');
      });
    });

    const body = call.body instanceof Readable ? call.body : Readable.from([]);
    body.once('end', () => {
      upstream.addTrailers(trailerPairs(request.rawTrailers));
      upstream.end();
      upstream.setTimeout(call.headersTimeout, () => upstream.destroy(timedOut()));
    });
    body.once('error', (error) => upstream.destroy(error));
    body.pipe(upstream, { end: false });
  });
}

function trailerPairs(rawTrailers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) {
    const name = rawTrailers[at] ?? '';
    if (/^[A-Za-z0-9-]+$/.test(name) && !refused.test(name)) pairs.push([name, rawTrailers[at + 1] ?? '']);
  }
  return pairs;
}

function timedOut(): GatewayError {
  return new GatewayError('upstream_timeout', { detail: 'The API did not answer in time.' });
}
