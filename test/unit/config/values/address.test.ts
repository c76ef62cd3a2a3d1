import { describe, expect, it } from 'vitest';
import {
  addressRange,
  hostName,
  listenAddress,
  proxyAddress,
} from '../../../../src/config/values/address.ts';

describe('an address to listen on', () => {
  it.each([
    ['0.0.0.0:3000', { host: '0.0.0.0', port: 3000 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['[::]:65535', { host: '::', port: 65_535 }],
    ['[::1]:3000', { host: '::1', port: 3000 }],
    ['unix:/run/coatcheck.sock', { socketPath: '/run/coatcheck.sock', mode: 0o660 }],
    ['unix:/run/a b.sock?mode=0600', { socketPath: '/run/a b.sock', mode: 0o600 }],
    ['unix:/run/a.sock?mode=666', { socketPath: '/run/a.sock', mode: 0o666 }],
    [`unix:/${'x'.repeat(102)}`, { socketPath: `/${'x'.repeat(102)}`, mode: 0o660 }],
  ])('parses the listen address %s', (text, address) => {
    expect(listenAddress().parse(text)).toEqual(address);
  });

  it.each([
    '3000',
    ':3000',
    'localhost',
    'localhost:',
    'localhost:65536',
    '::1:3000',
    '[localhost]:1',
    '[]:1',
    'a b:1',
    'unix:run/coatcheck.sock',
    'unix:',
    'unix:/',
    'unix:/run/',
    'unix:/run/a.sock?mode=0888',
    'unix:/run/a.sock?mode=',
    'unix:/run/a.sock?other=1',
    `unix:/${'x'.repeat(103)}`,
    3000,
  ])('rejects the listen address %o', (text) => {
    expect(listenAddress().safeParse(text).success).toBe(false);
  });
});

describe('an allowed host', () => {
  it.each([
    ['app.example.com', 'app.example.com'],
    ['App.Example.com:8443', 'app.example.com:8443'],
    ['10.0.0.1', '10.0.0.1'],
    ['[::1]:3000', '[::1]:3000'],
  ])('reads the allowed host %s as %s', (text, host) => {
    expect(hostName().parse(text)).toBe(host);
  });

  it.each([
    '',
    'https://app.example.com',
    'app.example.com/',
    '*.example.com',
    'a:0',
    'a:65536',
    'a:b',
    '[x]',
    'a@b',
  ])('rejects the allowed host %o', (text) => {
    expect(hostName().safeParse(text).success).toBe(false);
  });
});

describe('a trusted proxy', () => {
  it('is an address, a range, or whoever connects to a Unix socket', () => {
    for (const entry of ['10.0.0.1', 'fd00::/8', 'unix']) expect(proxyAddress().parse(entry)).toBe(entry);
    expect(proxyAddress().safeParse('unix:/run/a.sock').success).toBe(false);
  });
});

describe('an address range', () => {
  it.each(['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', 'fd00::/8', '192.168.1.1/32', '::/128'])(
    'accepts the address range %s',
    (text) => {
      expect(addressRange().parse(text)).toBe(text);
    },
  );

  it.each([
    '',
    'localhost',
    '10.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/a',
  ])('rejects the address range %o', (text) => {
    expect(addressRange().safeParse(text).success).toBe(false);
  });
});
