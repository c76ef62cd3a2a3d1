import { splitList } from '../../fields/whitespace.ts';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { UNIX_PEER } from '../../config/values/address.ts';

/** What tells the address of a client. */
export type RequestSource = Pick<IncomingMessage, 'socket' | 'headers'>;

/** Returns the client's IP address; {@link UNKNOWN_ADDRESS} where a Unix socket has none. */
export type ClientAddress = (request: RequestSource) => string;

/** As in RFC 7239, section 6.2. */
const UNKNOWN_ADDRESS = 'unknown';

/** Whether the peer of a request is a proxy in `trustProxy`; see {@link createClientAddress}. */
export function createProxyTrust(
  trustProxy: readonly string[],
  socketPath?: string,
): (request: RequestSource) => boolean {
  const { isTrustedPeer } = createTrust(trustProxy, socketPath);
  return isTrustedPeer;
}

/**
 * Finds the client behind the trusted proxies: the rightmost address in `X-Forwarded-For` that is not a trusted proxy.
 * With no trusted proxies (the default), it returns the peer's address and ignores the header (CVE-2026-76835).
 *
 * @param socketPath - of the listener, when that is a Unix socket, whose peers have no address.
 */
export function createClientAddress(trustProxy: readonly string[], socketPath?: string): ClientAddress {
  const { isTrusted, isTrustedPeer, peerOf } = createTrust(trustProxy, socketPath);

  return (request) => {
    const peer = peerOf(request);
    if (!isTrustedPeer(request)) return peer;
    let client = peer;
    const forwarded = request.headers['x-forwarded-for'];
    for (const hop of splitList(typeof forwarded === 'string' ? forwarded : '').reverse()) {
      const address = unmapIpv4(withoutPort(hop));
      if (isIP(address) === 0) return client;
      client = address;
      if (!isTrusted(address)) return client;
    }
    return client;
  };
}

function createTrust(trustProxy: readonly string[], socketPath: string | undefined) {
  const trusted = new BlockList();
  for (const entry of trustProxy.filter((each) => each !== UNIX_PEER)) {
    const [address = '', bits] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  const trustsUnixPeers = socketPath !== undefined && trustProxy.includes(UNIX_PEER);
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

  // SECURITY: a closed TCP connection has no address either, so the listener decides.
  const isUnixPeer = ({ socket }: RequestSource) =>
    socketPath !== undefined && socket.remoteAddress === undefined;
  const peerOf = (request: RequestSource) =>
    isUnixPeer(request) ? UNKNOWN_ADDRESS : unmapIpv4(request.socket.remoteAddress ?? '');
  const isTrustedPeer = (request: RequestSource) =>
    trustProxy.length > 0 && (isUnixPeer(request) ? trustsUnixPeers : isTrusted(peerOf(request)));
  return { isTrusted, isTrustedPeer, peerOf };
}

/**
 * Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. Without this function, such a hop would not be an
 * IP address, and every client behind that proxy would get the proxy's address.
 */
function withoutPort(hop: string): string {
  const [, bracketed, plain] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\d{1,5})?$/.exec(hop) ?? [];
  return bracketed ?? plain ?? hop;
}

/** Turns an IPv4-mapped IPv6 address into the IPv4 address. */
function unmapIpv4(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
