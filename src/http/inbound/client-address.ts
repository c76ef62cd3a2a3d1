import { splitList } from '../../fields/whitespace.ts';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Tells the address of the client of a request. */
export type ClientAddress = (request: IncomingMessage) => string;

/**
 * Finds the client behind the trusted proxies: the rightmost address of `X-Forwarded-For` that is none of them. With
 * nobody trusted, which is the default, it is the peer's address and the header is not read (CVE-2026-76835).
 */
export function createClientAddress(trustProxy: readonly string[]): ClientAddress {
  const trusted = new BlockList();
  for (const entry of trustProxy) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

  return (request) => {
    const peer = plainAddress(request.socket.remoteAddress ?? '');
    if (trustProxy.length === 0 || !isTrusted(peer)) return peer;
    let client = peer;
    const forwarded = request.headers['x-forwarded-for'];
    for (const hop of splitList(typeof forwarded === 'string' ? forwarded : '').reverse()) {
      const address = plainAddress(withoutPort(hop));
      if (isIP(address) === 0) return client;
      client = address;
      if (!isTrusted(address)) return client;
    }
    return client;
  };
}

/**
 * Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. Without this, their hop would be none, and every
 * client behind them would count as the proxy itself.
 */
function withoutPort(hop: string): string {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\d{1,5})?$/.exec(hop) ?? [];
  return bracketed ?? plain ?? hop;
}

/** An IPv4 address that arrived on an IPv6 socket is the IPv4 address. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
