import { describe, expect, it } from 'vitest';
import { storeAddress } from '../../../../src/config/values/store-address.ts';

const plain = { tls: false };
const node = (host: string, port: number) => ({ host, port });

describe('the address of one Redis server', () => {
  it.each([
    'redis://redis',
    'redis://127.0.0.1:6379/0',
    'redis://[::1]:6379/15',
    'redis://redis/',
    'redis://:secret@redis',
    'redis://user:p%40s%2Fs@redis:6380/2',
    'rediss://redis.example.com:6380',
  ])('keeps the address of one Redis server unchanged: %s', (url) => {
    expect(storeAddress.parse(url)).toEqual({ kind: 'redis', url });
  });
});

describe('the address of a primary found by Sentinel', () => {
  it.each([
    ['one Sentinel', 'h1/m', [node('h1', 26_379)]],
    [
      'several, with ports and without',
      'h1:26379,h2,h3:5000/m',
      [node('h1', 26_379), node('h2', 26_379), node('h3', 5_000)],
    ],
    [
      'IPv4 and IPv6',
      '10.0.0.1:1,[::1],[fd00::2]:65535/m',
      [node('10.0.0.1', 1), node('::1', 26_379), node('fd00::2', 65_535)],
    ],
  ])('parses a Sentinel address with %s', (_what, rest, sentinels) => {
    expect(storeAddress.parse(`redis+sentinel://${rest}`)).toEqual({
      kind: 'sentinel',
      sentinels,
      name: 'm',
      database: 0,
      access: plain,
    });
  });

  it.each([
    ['h1/my-master.1_a', { name: 'my-master.1_a', database: 0 }],
    ['h1/m/0', { database: 0 }],
    ['h1/m/12', { database: 12 }],
  ])('parses the name and the database of the Sentinel address %s', (rest, expected) => {
    expect(storeAddress.parse(`redis+sentinel://${rest}`)).toMatchObject(expected);
  });
});

describe('the address of a Redis Cluster', () => {
  it.each([
    ['h1', [node('h1', 6_379)]],
    ['h1:7000,h2:7001/', [node('h1', 7_000), node('h2', 7_001)]],
    ['[::1]:7000,[fd00::2]', [node('::1', 7_000), node('fd00::2', 6_379)]],
  ])('parses the nodes of redis+cluster://%s', (rest, nodes) => {
    expect(storeAddress.parse(`redis+cluster://${rest}`)).toEqual({ kind: 'cluster', nodes, access: plain });
  });
});

describe.each([
  ['sentinel', 'h1:1,h2:2/m'],
  ['cluster', 'h1:1,h2:2'],
])('the credentials in redis+%s://', (kind, rest) => {
  const accessOf = (scheme: string, credentials: string) =>
    storeAddress.parse(`${scheme}+${kind}://${credentials}${rest}`);

  it.each([
    ['', plain],
    ['@', plain],
    [':secret@', { password: 'secret' }],
    ['user@', { username: 'user' }],
    ['user:secret@', { username: 'user', password: 'secret' }],
    ['us%3Aer:p%40s%2Fs%25%2C@', { username: 'us:er', password: 'p@s/s%,' }],
    ['user:a:b,c@', { username: 'user', password: 'a:b,c' }],
    ['user:p%C3%A4ss@', { username: 'user', password: 'päss' }],
  ])('reads the credentials %o', (credentials, access) => {
    expect(accessOf('redis', credentials)).toHaveProperty('access', { tls: false, ...access });
  });

  it('enables TLS with rediss', () => {
    expect(accessOf('rediss', ':secret@')).toHaveProperty('access', { tls: true, password: 'secret' });
  });
});

describe('an invalid store address', () => {
  it.each([
    '',
    'redis+sentinel://',
    'redis+sentinel://h1',
    'redis+sentinel://h1/',
    'redis+sentinel:///m',
    'redis+sentinel://h1,/m',
    'redis+sentinel://h1,,h2/m',
    'redis+sentinel://h1 ,h2/m',
    'redis+sentinel://h1/m/zero',
    'redis+sentinel://h1/m/-1',
    'redis+sentinel://h1/m?db=1',
    'redis+sentinel://h1/a b',
    'redis+sentinel://a@h1,b@h2/m',
    'redis+sentinel://h1:99999/m',
    'redis+sentinel://h1:0/m',
    'redis+sentinel://::1/m',
    'redis+sentinel://[::1/m',
    'redis+sentinel://[::zz]/m',
    'redis+sentinel://[1:2]/m',
    'redis+sentinel://:%zz@h1/m',
    'redis+sentinels://h1/m',
    'redis-sentinel://h1/m',
    'sentinel://h1/m',
    'redis+cluster://',
    'redis+cluster://h1/0',
    'redis+cluster://h1:7000,h2:70000',
    'redis+cluster://h1;h2',
    'redis+cluster://:%e4@h1',
    'rediss+cluster//h1',
    'redis+tls://h1',
    'redis://h1,h2',
    'redis://h1:0',
    'redis://:%zz@h1',
    'redis://[::zz]',
  ])('rejects the store address %o', (url) => {
    const { error } = storeAddress.safeParse(url);
    expect(error?.issues.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^expected memory:, redis:.*, redis\+sentinel:.* or redis\+cluster:.* \(rediss for TLS\)/,
      ),
    ]);
  });

  it.each([undefined, null, 6379, ['redis://h1']])(
    'rejects a store address that is not a text: %o',
    (value) => {
      expect(storeAddress.safeParse(value).success).toBe(false);
    },
  );
});
