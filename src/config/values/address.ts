import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { shaped } from './scalar.ts';

/**
 * Where a listener binds: a host and a port, or a Unix socket. An IPv6 host has no brackets; port 0 lets the system choose.
 * `mode` has the permission bits of the socket's file.
 */
export type ListenAddress =
  | { host: string; port: number; socketPath?: never; mode?: never }
  | { socketPath: string; mode: number; host?: never; port?: never };

const hostAndPort = /^(\[[^\]]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
const hostMaybePort = /^(\[[^\]]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const lastPort = 65_535;

const unixSocket = /^unix:(\/[^?\0]*[^?/\0])(?:\?mode=(0?[0-7]{3}))?$/;
/** Its owner and its group may connect. */
const SOCKET_MODE = 0o660;
/** Linux keeps a path in 108 bytes, with a zero at its end; macOS in 104. */
const MAX_SOCKET_PATH = 103;

/** An address to listen on: `host:port`, with an IPv6 host in brackets, or `unix:/path`, also with `?mode=0660`. */
export function listenAddress() {
  const expected =
    'expected host:port, such as 0.0.0.0:3000 or [::1]:3000, or unix:/path, such as unix:/run/coatcheck/coatcheck.sock';
  const either = new RegExp(`${hostAndPort.source}|${unixSocket.source}`);
  return shaped(either, expected).transform((text, context): ListenAddress => {
    const [, socketPath, mode] = unixSocket.exec(text) ?? [];
    if (socketPath !== undefined) {
      if (Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH)
        return { socketPath, mode: mode === undefined ? SOCKET_MODE : Number.parseInt(mode, 8) };
      context.addIssue(`expected a path of at most ${MAX_SOCKET_PATH} bytes for the Unix socket`);
      return z.NEVER;
    }
    const [, written = '', port] = hostAndPort.exec(text) ?? [];
    const host = bareHost(written);
    if (host !== undefined && Number(port) <= lastPort) return { host, port: Number(port) };
    context.addIssue(expected);
    return z.NEVER;
  });
}

/** Writes an address as the configuration does, without the mode of a socket. */
export function formatListenAddress({ socketPath, host, port }: ListenAddress): string {
  if (socketPath !== undefined) return `unix:${socketPath}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A `Host` value (RFC 9110 section 7.2), `host` or `host:port`; parsed, it is in lower case. */
export function hostName() {
  const expected = 'expected a host or host:port, without scheme, path or wildcard';
  return shaped(hostMaybePort, expected).transform((text, context) => {
    const [, written = '', port = '1'] = hostMaybePort.exec(text) ?? [];
    if (bareHost(written) !== undefined && Number(port) >= 1 && Number(port) <= lastPort) {
      return text.toLowerCase();
    }
    context.addIssue(expected);
    return z.NEVER;
  });
}

/** The entry of `trustProxy` for whoever connects to a Unix socket. */
export const UNIX_PEER = 'unix';

/** A proxy: an {@link addressRange}, or {@link UNIX_PEER}. */
export function proxyAddress() {
  const expected = `expected an IP address, a CIDR range, such as 10.0.0.0/8, or ${UNIX_PEER}`;
  return z.string(expected).refine((text) => text === UNIX_PEER || isAddressRange(text), expected);
}

/** An IP address, or a range of them in CIDR notation (RFC 4632). */
export function addressRange() {
  const expected = 'expected an IP address or a CIDR range, such as 10.0.0.0/8';
  return z.string(expected).refine(isAddressRange, expected);
}

function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (bits < 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

/** The host without brackets; undefined when brackets hold anything but an IPv6 address. */
function bareHost(written: string): string | undefined {
  if (!written.startsWith('[')) return written;
  const host = written.slice(1, -1);
  return isIPv6(host) ? host : undefined;
}
