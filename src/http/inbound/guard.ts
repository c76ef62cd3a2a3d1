import type { RequestHandler } from 'express';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import type { ClientAddress } from './client-address.ts';
import { createRequestId, type RequestContext } from './request-context.ts';
import type { HostCheck } from './host.ts';
import { parseTarget } from './target.ts';

/** The first look at a request, the same for requests and upgrades. */
export type Guard = {
  /** Opens the context of a request, before anything about it has been checked. */
  open(request: IncomingMessage): RequestContext;
  /** Checks a request and fills in what was checked. Throws `bad_request`, `wrong_host` or `method_not_allowed`. */
  check(request: IncomingMessage, context: RequestContext): RequestContext;
};

const unchecked = { path: '', query: '' };

export function createGuard(deps: {
  hostCheck: HostCheck;
  clientAddress: ClientAddress;
  clock: () => number;
}): Guard {
  /** Connections on which a malformed request came: what follows it there may have been meant as a part of it. */
  const spoilt = new WeakSet<Socket>();

  return {
    open: (request) => ({
      requestId: createRequestId(),
      startedAtMs: deps.clock(),
      target: unchecked,
      clientAddress: deps.clientAddress(request),
      route: 'none',
    }),
    check(request, context) {
      // SECURITY: TRACE would send the bearer token back to the page (RFC 9110, section 9.3.8).
      if (request.method === 'TRACE' || request.method === 'CONNECT') {
        throw new GatewayError('method_not_allowed', { allow: [] });
      }
      try {
        if (spoilt.has(request.socket))
          throw malformed('An earlier request on this connection was malformed.');
        checkFraming(request);
        const target = parseTarget(request.url);
        deps.hostCheck(request);
        return Object.assign(context, { target });
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'bad_request') spoilt.add(request.socket);
        throw error;
      }
    },
  };
}

/** Refuses what Node's parser lets through and another reader on the way could take for something else. */
function checkFraming({ httpVersion, headers }: IncomingMessage): void {
  // Node takes a request line without a version for HTTP/0.9, and goes on to read fields; it takes HTTP/2.0 as well.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw malformed('The only supported protocol is HTTP/1.');
  }
  const coding = headers['transfer-encoding'];
  if (httpVersion === '1.0') {
    // RFC 9112, section 6.1: nobody can say how a reader of that time took it.
    if (coding !== undefined) throw malformed('HTTP/1.0 does not support transfer codings.');
    // An interim answer would be taken for the answer (RFC 9110, section 10.1.1).
    delete headers.expect;
  }
  // SECURITY: a body in another coding would go on without the name of that coding, and be another body.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw malformed('The only supported transfer coding is chunked.');
  }
}

function malformed(detail: string): GatewayError {
  return new GatewayError('bad_request', { detail });
}

/** The guard as the first middleware: every later one finds the request context in `response.locals`. */
export function createGuardMiddleware(guard: Guard): RequestHandler {
  return function checkRequest(request, response, next) {
    const context = guard.open(request);
    response.locals.context = context;
    // SECURITY: what follows the offer of another protocol may be in that one. Node.js 24 throws away what has come with it in
    // one piece, and reads on behind that.
    if (request.headers.upgrade !== undefined) response.setHeader('Connection', 'close');
    guard.check(request, context);
    next();
  };
}
