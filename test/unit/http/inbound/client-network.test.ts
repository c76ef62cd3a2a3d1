import { describe, expect, it } from 'vitest';
import { clientNetwork, networkBlock } from '../../../../src/http/inbound/client-network.ts';

describe('the client network', () => {
  it.each(['203.0.113.9', '127.0.0.1', '10.0.0.1'])(
    'the network of the IPv4 address %s is the address itself',
    (address) => {
      expect(clientNetwork(address)).toBe(address);
    },
  );

  it.each([
    ['2001:db8:1:2::1'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:0DB8:0001:0002:0:0:0:9'],
    ['2001:db8:1:2:3:4:203.0.113.9'],
  ])('the network of an IPv6 address is its first 64 bits, however it is written: %s', (address) => {
    expect(clientNetwork(address)).toBe('2001:db8:1:2::/64');
  });

  it.each([
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['2001::4:5:6:7:8', '2001:0:0:4::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
  ])('the network of an IPv6 address expands the zeros that %s omits', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });

  it('the network of a text that is not an address is the text itself', () => {
    expect(clientNetwork('')).toBe('');
  });
});

describe('the block of a client network', () => {
  it.each([
    ['203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2:ffff::9', '2001:db8:1::/48'],
    ['2001:db8::', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['', ''],
  ])('of %s is %s', (address, block) => {
    expect(networkBlock(clientNetwork(address))).toBe(block);
  });
});
