import { isIP } from 'node:net';

/**
 * Whom an address counts as where clients are counted: an IPv4 address as itself, an IPv6 address as its first 64 bits,
 * of which one household has all the rest (RFC 6177).
 */
export function clientNetwork(address: string): string {
  if (isIP(address) !== 6) return address;
  const [bare = ''] = address.split('%', 1);
  const [head = [], tail = []] = bare
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const left = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  const network = [...head, ...left, ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
