import { describe, expect, it } from 'vitest';
import { createClientAddress } from '../../../../src/http/inbound/client-address.ts';
import { requestOf } from '../request.ts';

/** The client of a request from `peer` with these X-Forwarded-For fields, where some peers are trusted. */
function clientOf(trusted: readonly string[], peer: string, ...forwarded: string[]): string {
  const headers = forwarded.map((value) => ['X-Forwarded-For', value] as const);
  return createClientAddress(trusted)(requestOf({ peer, headers }));
}

describe('the address of a client', () => {
  it('is unknown behind a Unix socket, unless its peers are trusted (F8)', () => {
    const client = (trusted: string[], socketPath: string) =>
      createClientAddress(
        trusted,
        socketPath,
      )(requestOf({ peer: null, headers: [['X-Forwarded-For', '6.6.6.6, 1.2.3.4']] }));
    expect(client([], '/run/a.sock')).toBe('unknown');
    expect(client(['10.0.0.0/8'], '/run/a.sock')).toBe('unknown');
    expect(client(['unix'], '/run/a.sock')).toBe('1.2.3.4');
    expect(client(['unix', '1.2.3.4'], '/run/a.sock')).toBe('6.6.6.6');
  });

  it('is never that of the header for a closed TCP connection, which has no address either (F8)', () => {
    const request = requestOf({ peer: null, headers: [['X-Forwarded-For', '1.2.3.4']] });
    expect(createClientAddress(['unix'])(request)).toBe('');
  });

  it('the client address is that of the peer when no proxy is trusted, whatever the header says (F8)', () => {
    expect(clientOf([], '203.0.113.9')).toBe('203.0.113.9');
    expect(clientOf([], '203.0.113.9', '1.2.3.4')).toBe('203.0.113.9');
    expect(clientOf([], '127.0.0.1', '1.2.3.4')).toBe('127.0.0.1');
  });

  it('the client address is that of the peer when the peer is not trusted (F8)', () => {
    expect(clientOf(['10.0.0.0/8'], '203.0.113.9', '1.2.3.4')).toBe('203.0.113.9');
  });

  it.each([
    [['10.0.0.1'], '10.0.0.1', ['1.2.3.4'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.9.8.7', ['1.2.3.4'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6, 1.2.3.4'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6, 1.2.3.4, 10.0.0.2'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6', '1.2.3.4', '10.0.0.2'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
    [['10.0.0.0/8', '::1'], '::1', ['2001:db8::1,10.0.0.2'], '2001:db8::1'],
    [['2001:db8::/32'], '2001:db8::9', ['1.2.3.4'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', [], '10.0.0.1'],
    [['10.0.0.0/8'], '10.0.0.1', ['1.2.3.4:5678'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['6.6.6.6:1, 1.2.3.4:5678, 10.0.0.2:443'], '1.2.3.4'],
    [['10.0.0.0/8'], '10.0.0.1', ['[2001:db8::1]'], '2001:db8::1'],
    [['10.0.0.0/8'], '10.0.0.1', ['[2001:db8::1]:443'], '2001:db8::1'],
    [['10.0.0.0/8'], '10.0.0.1', ['[::ffff:1.2.3.4]:443'], '1.2.3.4'],
  ])(
    'with %o trusted, from %s with the header %o, the client address is %s: the rightmost untrusted one (F8)',
    (trusted, peer, header, client) => {
      expect(clientOf(trusted, peer, ...header)).toBe(client);
    },
  );

  it.each([
    'unknown',
    '',
    ' ',
    '1.2.3.4:',
    '1.2.3.4:123456',
    '[1.2.3',
    '2001:db8::1]:1',
    '[2001:db8::1',
    '1.2.3',
    '_hidden',
    '<script>',
  ])('the search for the client address stops at %o, which is not an address (F8)', (nonsense) => {
    expect(clientOf(['10.0.0.0/8'], '10.0.0.1', `1.2.3.4, ${nonsense}, 10.0.0.2`)).toBe('10.0.0.2');
    expect(clientOf(['10.0.0.0/8'], '10.0.0.1', nonsense)).toBe('10.0.0.1');
  });

  it('the client address is the IPv4 address inside an IPv4-mapped IPv6 address', () => {
    expect(clientOf([], '::ffff:203.0.113.9')).toBe('203.0.113.9');
    expect(clientOf(['10.0.0.0/8'], '::ffff:10.0.0.1', '1.2.3.4')).toBe('1.2.3.4');
    expect(clientOf(['10.0.0.0/8'], '10.0.0.1', '6.6.6.6, ::ffff:1.2.3.4')).toBe('1.2.3.4');
  });

  it('the client address is empty when the connection has closed', () => {
    expect(clientOf(['10.0.0.0/8'], '', '1.2.3.4')).toBe('');
  });
});
