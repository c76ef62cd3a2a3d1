import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import type { ClientAddress, RequestSource } from './client-address.ts';
import { createRequestId, type RequestContext } from './request-context.ts';
import type { HostCheck } from './host.ts';
import { parseTarget } from './target.ts';

/** Counts the responses that are outstanding on each connection (HTTP pipelining). */
export type OutstandingResponses = {
  /** Counts a request whose response is outstanding on its connection. False when there are too many. */
  beginResponse(socket: Socket): boolean;
  /** Reports that the response has been sent. */
  endResponse(socket: Socket): void;
  /** Whether responses to earlier requests are outstanding on a connection. */
  isAwaitingResponse(socket: Socket): boolean;
};

/** The first checks on every request and every upgrade. */
export type Guard = OutstandingResponses & {
  /** Creates the request context, before any check. Its target is empty until `check` succeeds. */
  open(request: RequestSource): RequestContext;
  /** Checks a request and sets the context's target. Throws `bad_request`, `wrong_host` or `method_not_allowed`. */
  check(request: IncomingMessage, context: RequestContext): RequestContext;
};

/** How many responses may be outstanding on one connection. Browsers do not pipeline; other clients use a few. */
const MAX_OUTSTANDING_RESPONSES = 32;

const unchecked = { path: '', query: '' };

/** What is known of each connection. It outlives a reload, since connections do. */
export type ConnectionStates = {
  /** Connections that sent a malformed request: bytes that follow may belong to that request (request smuggling). */
  readonly poisonedSockets: WeakSet<Socket>;
  /** How many responses are outstanding. */
  readonly outstanding: WeakMap<Socket, number>;
};

export function createConnectionStates(): ConnectionStates {
  return { poisonedSockets: new WeakSet(), outstanding: new WeakMap() };
}

export function createGuard(deps: {
  hostCheck: HostCheck;
  clientAddress: ClientAddress;
  connectionStates: ConnectionStates;
  clock: () => number;
}): Guard {
  const { poisonedSockets, outstanding } = deps.connectionStates;

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
        if (poisonedSockets.has(request.socket))
          throw malformed('An earlier request on this connection was malformed.');
        checkFraming(request);
        const target = parseTarget(request.url);
        deps.hostCheck(request);
        return Object.assign(context, { target });
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'bad_request')
          poisonedSockets.add(request.socket);
        throw error;
      }
    },
    ...createOutstandingResponses(outstanding),
  };
}

/** Creates the count over the given numbers. */
export function createOutstandingResponses(outstanding: WeakMap<Socket, number>): OutstandingResponses {
  return {
    beginResponse(socket) {
      const count = (outstanding.get(socket) ?? 0) + 1;
      outstanding.set(socket, count);
      return count <= MAX_OUTSTANDING_RESPONSES;
    },
    endResponse: (socket) => void outstanding.set(socket, (outstanding.get(socket) ?? 1) - 1),
    isAwaitingResponse: (socket) => (outstanding.get(socket) ?? 0) > 0,
  };
}

/** Rejects requests that Node parses but another hop could frame differently (request smuggling). */
function checkFraming({ httpVersion, headers }: IncomingMessage): void {
  // Node accepts a request line without a version as HTTP/0.9 and still reads header fields; it also accepts HTTP/2.0.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw malformed('The only supported protocol is HTTP/1.');
  }
  // RFC 9112, section 3.2.
  if (httpVersion === '1.1' && headers.host === undefined) throw malformed('The request has no Host header.');
  const coding = headers['transfer-encoding'];
  if (httpVersion === '1.0') {
    // RFC 9112, section 6.1: HTTP/1.0 recipients may frame such a message in different ways.
    if (coding !== undefined) throw malformed('HTTP/1.0 does not support transfer codings.');
    // An HTTP/1.0 client would treat an interim response as the final one (RFC 9110, section 10.1.1).
    delete headers.expect;
  }
  // SECURITY: the gateway would forward the body without naming its coding, so the upstream would read a different body.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw malformed('The only supported transfer coding is chunked.');
  }
}

function malformed(detail: string): GatewayError {
  return new GatewayError('bad_request', { detail });
}

/** A body that a parser before the gateway has read never arrives: whoever reads it here would wait for ever. */
function checkBodyUnread({ headers, readableDidRead }: IncomingMessage): void {
  const length = headers['content-length'];
  const hasBody = headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
  if (!hasBody || !readableDidRead) return;
  throw new GatewayError('internal_error', {
    detail:
      'The request body was read before the gateway got the request. Mount the gateway before body parsers.',
  });
}

/**
 * Runs the checks of the guard on a request, before all other steps. False for a request that gets no response: its connection
 * is closed.
 */
export function admit(
  guard: Guard,
  request: IncomingMessage,
  response: ServerResponse,
  context: RequestContext,
): boolean {
  // SECURITY: Node.js parses pipelined requests without a limit, and each waits in memory for those before it.
  if (!guard.beginResponse(request.socket)) {
    request.socket.destroy();
    return false;
  }
  // SECURITY: bytes after an upgrade offer may belong to the other protocol. Node.js 24 discards those that arrive in the
  // same chunk and parses later ones as a request.
  if (request.headers.upgrade !== undefined) response.setHeader('Connection', 'close');
  guard.check(request, context);
  checkBodyUnread(request);
  return true;
}
