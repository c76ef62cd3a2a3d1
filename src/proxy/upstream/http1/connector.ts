import { isIP, Socket, type LookupFunction } from 'node:net';
import { buildConnector, errors } from '../../../performance/undici.ts';
import { tlsOptions, type ClientTls } from '../../../config/schema/tls.ts';
import { CallError } from './call-error.ts';

/** How connections to a server are opened. */
export type ConnectOptions = {
  readonly origin: string;
  /** In milliseconds. */
  readonly timeout: number;
  readonly tls: ClientTls;
  readonly lookup: LookupFunction;
};

/** Opens a connection. Exactly one of the callbacks is called, unless the returned function has cancelled it before. */
export type Connect = (onOpen: (socket: Socket) => void, onError: (error: unknown) => void) => () => void;

/** undici opens the connections: it keeps TLS sessions, and its timer counts the lookup, the connection and the handshake. */
export function createConnect({ origin, timeout, tls, lookup }: ConnectOptions): Connect {
  const { hostname, host, protocol, port } = new URL(origin);
  const connect = buildConnector({ timeout, allowH2: false, lookup, ...tlsOptions(tls) });
  const address = hostname.replace(/^\[|\]$/g, '');
  const target = {
    hostname: address,
    host,
    protocol,
    port,
    // `routes[].tls.serverName` instead of the name in the URL. An address is not a name (RFC 6066, section 3).
    servername: tls.serverName ?? (isIP(address) === 0 ? address : ''),
  };
  return (onOpen, onError) => {
    let isCancelled = false;
    const socket: unknown = connect(target, (...[error, opened]) => {
      if (isCancelled) return void opened?.destroy();
      if (error === null) onOpen(opened);
      else onError(error instanceof errors.ConnectTimeoutError ? late(error) : error);
    });
    return () => {
      isCancelled = true;
      if (socket instanceof Socket) socket.destroy();
    };
  };
}

function late(cause: Error): CallError {
  return new CallError('timeout', 'the upstream accepted no connection in time', { cause });
}
