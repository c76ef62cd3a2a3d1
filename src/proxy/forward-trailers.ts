import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';
import type { Downstream } from './downstream.ts';
import type { ForwardResult, UpstreamCall } from './forward.ts';

/** The browser's side of a call. */
type Caller = {
  request: IncomingMessage;
  response: ServerResponse;
  downstream: Downstream;
  /** Tells whether a trailer field of the request may go upstream, by its name. */
  mayTrail: (name: string) => boolean;
};

/**
 * Makes a call whose request has a trailer section. undici 8 cannot send one, so these few go by Node's own client, on a
 * connection of their own; they are sent once only.
 */
export function forwardWithTrailers(
  call: UpstreamCall,
  { request, response, downstream, mayTrail }: Caller,
  onHead: (status: number, headers: IncomingMessage['headers']) => void,
): Promise<ForwardResult> {
  return new Promise((resolve, reject) => {
    const url = new URL(call.origin);
    const isSecure = url.protocol === 'https:';
    const announced = (request.headers.trailer ?? '').split(/\s*,\s*/).filter(mayTrail);
    const upstream = (isSecure ? https : http).request({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      path: call.path,
      method: call.method,
      agent: false,
      setDefaultHeaders: false,
      headers: [
        ...call.headers,
        'Transfer-Encoding',
        'chunked',
        'Connection',
        'close',
        ...(announced.length === 0 ? [] : ['Trailer', announced.join(', ')]),
      ],
    });
    const body = call.body instanceof Readable ? call.body : Readable.from([]);
    const giveUp = setTimeout(() => upstream.destroy(timedOut()), call.connectTimeout);
    const finish = () => {
      clearTimeout(giveUp);
      upstream.destroy();
      body.destroy();
    };
    const fail = (error: Error) => {
      finish();
      if (response.headersSent) response.destroy();
      reject(error);
    };

    response.once('close', () => {
      if (response.writableFinished) return;
      finish();
      resolve('abandoned');
    });
    upstream.once('socket', (socket) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        clearTimeout(giveUp);
        upstream.setTimeout(call.bodyTimeout);
      });
    });
    upstream.on('timeout', () => upstream.destroy(timedOut()));
    upstream.on('error', fail);
    upstream.once('response', (answer) => {
      upstream.setTimeout(call.bodyTimeout);
      onHead(answer.statusCode ?? 502, answer.headers);
      downstream.begin(answer.statusCode ?? 502, answer.headers);
      response.on('drain', () => answer.resume());
      answer.on('data', (chunk: Buffer) => {
        if (!downstream.write(chunk)) answer.pause();
      });
      answer.on('error', fail);
      answer.once('end', () => {
        downstream.end(answer.trailers);
        finish();
        resolve('passed');
      });
    });

    body.once('end', () => {
      upstream.addTrailers(trailersOf(request).filter(([name]) => mayTrail(name)));
      upstream.end();
      if (!response.headersSent) upstream.setTimeout(call.headersTimeout);
    });
    body.once('error', (error) => upstream.destroy(error));
    body.pipe(upstream, { end: false });
  });
}

function trailersOf({ rawTrailers }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) {
    pairs.push([rawTrailers[at] ?? '', rawTrailers[at + 1] ?? '']);
  }
  return pairs;
}

function timedOut(): GatewayError {
  return new GatewayError('upstream_timeout', { detail: 'The API did not answer in time.' });
}
