import { splitList } from '../../fields/whitespace.ts';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import type { ResponseWriter } from '../response/writer.ts';
import type { ForwardResult, Inspect, UpstreamCall } from './call.ts';
import { explainBrokenResponse, upstreamTimeout } from './errors.ts';

/** The browser's side of a call. */
type Caller = {
  request: IncomingMessage;
  response: ServerResponse;
  downstream: ResponseWriter;
  /** Tells whether a trailer field of the request may go upstream, by its name. */
  mayTrail: (name: string) => boolean;
};

/**
 * Makes a call whose request has a trailer section. undici 8 cannot send one, so these few go by Node's own client, on a
 * connection of their own; they are sent once only, so `inspect` has nothing to discard.
 */
export function forwardWithTrailers(
  call: UpstreamCall,
  { request, response, downstream, mayTrail }: Caller,
  inspect: Inspect,
): Promise<ForwardResult> {
  return new Promise((resolve, reject) => {
    const url = new URL(call.origin);
    const isSecure = url.protocol === 'https:';
    const announced = splitList(request.headers.trailer ?? '').filter(mayTrail);
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
    const giveUp = setTimeout(() => upstream.destroy(upstreamTimeout()), call.connectTimeout);
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
    // SECURITY: an upstream can say what Node refuses to write, such as a status of 099: thrown in a listener, it would end
    // the process.
    const relay = async (answer: IncomingMessage) => {
      const { statusCode = 0, headers } = answer;
      await inspect(statusCode, headers);
      downstream.begin(statusCode, headers);
      for await (const chunk of answer) {
        if (!downstream.write(chunk)) await once(response, 'drain');
      }
      downstream.end(answer.trailers);
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
    upstream.on('timeout', () => upstream.destroy(upstreamTimeout()));
    upstream.on('error', fail);
    upstream.once('upgrade', (_answer, socket) => {
      socket.destroy();
      fail(
        explainBrokenResponse(new Error('the upstream upgraded a request that did not ask for an upgrade')),
      );
    });
    upstream.once('response', (answer) => {
      upstream.setTimeout(call.bodyTimeout);
      relay(answer).then(
        () => {
          finish();
          resolve('passed');
        },
        (error) => fail(explainBrokenResponse(error)),
      );
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
