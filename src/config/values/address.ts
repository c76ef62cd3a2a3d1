import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { shaped } from './scalar.ts';

/** Where a listener binds. An IPv6 host has no brackets; port 0 lets the system choose. */
export type ListenAddress = { host: string; port: number };

const hostAndPort = /^(\[[^\]]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
const hostMaybePort = /^(\[[^\]]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const lastPort = 65_535;

/** An address to listen on, written `host:port`, with an IPv6 host in brackets. */
export function listenAddress() {
  const expected = 'expected host:port, such as 0.0.0.0:3000 or [::1]:3000';
  return shaped(hostAndPort, expected).transform((text, context): ListenAddress => {
    const [, written = '', port] = hostAndPort.exec(text) ?? [];
    const host = bareHost(written);
    if (host !== undefined && Number(port) <= lastPort) return { host, port: Number(port) };
    context.addIssue(expected);
    return z.NEVER;
  });
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
