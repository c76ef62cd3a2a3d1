import { isIP } from 'node:net';

/**
 * The rate-limit key of a client address: an IPv4 address unchanged, an IPv6 address reduced to its /64 network, because
 * one household controls a whole /64 (RFC 6177).
 */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [withoutZone = ''] = address.split('%', 1);
  const [head = [], tail = []] = withoutZone
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  const network = [...head, ...zeros, ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}

/**
 * The block of addresses around a client network: the /24 of an IPv4 address, the /48 of an IPv6 network. One customer of a
 * hosting provider often has as many addresses.
 */
export function networkBlock(network: string): string {
  if (isIP(network) === 4) return `${network.split('.').slice(0, 3).join('.')}.0/24`;
  return network.endsWith('::/64') ? `${network.split(':').slice(0, 3).join(':')}::/48` : network;
}
