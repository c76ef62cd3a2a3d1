import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
// A whole module: on a Node.js without the function, the sentence about the supported versions must come first.
import tls from 'node:tls';
import type { Target } from './proxy.ts';

/** Milliseconds, and the CA certificates that the provider is verified with, which a proxy may be verified with too. */
type TunnelOptions = { readonly timeoutMs: number; readonly ca: string | undefined };

/** What a tunnel ends in: a socket to the target, or an error that names the proxy without its credentials. */
type TunnelCallback = (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void;

/** Opens a tunnel through an HTTP proxy (CONNECT; RFC 9110, section 9.3.6). */
export function openTunnel(
  proxy: URL,
  target: Target,
  { timeoutMs, ca }: TunnelOptions,
  callback: TunnelCallback,
): void {
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  const isSecure = proxy.protocol === 'https:';
  const request = (isSecure ? https : http).request({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (isSecure ? 443 : 80) : proxy.port,
    method: 'CONNECT',
    path: authority,
    agent: false,
    setDefaultHeaders: false,
    headers: ['Host', authority, ...credentialsOf(proxy)],
    ...(isSecure && ca !== undefined && { ca: [...tls.getCACertificates('default'), ca] }),
  });
  const fail = (why: string) => {
    clearTimeout(timer);
    request.off('error', failToReach).on('error', () => undefined);
    request.destroy();
    callback(new Error(`the proxy ${proxy.host} ${why}`), null);
  };
  const failToReach = (error: Error) =>
    fail(`cannot be reached: ${'code' in error ? String(error.code) : error.message}`);
  const timer = setTimeout(() => fail('did not respond in time'), timeoutMs);
  request.once('error', failToReach);
  request.once('connect', ({ statusCode = 0 }, socket: Socket, early: Buffer) => {
    if (statusCode < 200 || statusCode >= 300 || early.length > 0) {
      socket.destroy();
      return fail(explain(statusCode));
    }
    clearTimeout(timer);
    callback(null, socket);
  });
  request.end();
}

function explain(statusCode: number): string {
  if (statusCode === 407) return 'requires other credentials (407)';
  return statusCode >= 200 && statusCode < 300
    ? 'sent data before the provider did'
    : `refused to connect to the provider (${statusCode})`;
}

/** Basic authentication (RFC 7617). The configuration has checked that the credentials can be decoded. */
function credentialsOf({ username, password }: URL): string[] {
  if (username === '' && password === '') return [];
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return ['Proxy-Authorization', `Basic ${Buffer.from(pair).toString('base64')}`];
}
