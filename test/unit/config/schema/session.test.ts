import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith, secret } from '../sample.ts';

const parse = (keys: Record<string, unknown>) =>
  parseConfig({ ...minimal, session: { ...minimal.session, ...keys } }).session;
const problems = (keys: Record<string, unknown>) =>
  problemsWith({ session: { ...minimal.session, ...keys } }).map((text) => text.replace('session.', ''));

describe('session.store', () => {
  it('session.store reads memory: as the store inside the process', () => {
    expect(parse({ store: 'memory:' }).store).toEqual({ kind: 'memory' });
  });

  it.each([
    'redis://127.0.0.1:6379/0',
    'redis://redis',
    'redis://[::1]:6379',
    'rediss://user:p%40ss@redis.example.com:6380/2',
    'redis://:secret@redis/',
  ])('session.store accepts the Redis server %s', (url) => {
    expect(parse({ store: url }).store).toEqual({ kind: 'redis', url });
  });

  it.each([
    'memory',
    'redis',
    'redis://',
    'redis:127.0.0.1',
    'http://redis',
    'redis://redis/zero',
    'redis://r:99999',
  ])('session.store rejects %o', (store) => {
    expect(problems({ store })).toEqual([
      expect.stringMatching(/^store: expected memory:, redis:\/\/\[user:password@\]host/),
    ]);
  });

  it.each([2, '4', 'auto'])(
    'session.store rejects memory: with workers: %o, which cannot share it',
    (workers) => {
      expect(problemsWith({ workers })).toContain(
        'session.store: expected a store that processes share, because workers is not 1: a redis: or rediss: URL, got the default',
      );
    },
  );
});

describe('session.secrets', () => {
  it('session.secrets accepts several secrets, so that they can be rotated', () => {
    const secrets = [secret, `${secret}2`];
    expect(parse({ secrets }).secrets).toEqual(secrets);
  });

  it('session.secrets requires at least one secret', () => {
    expect(problems({ secrets: [] })).toEqual(['secrets: expected at least one secret, got a list']);
  });

  it('session.secrets requires at least 32 characters for each secret', () => {
    expect(problems({ secrets: [secret, 'short', secret.slice(1)] })).toEqual([
      'secrets[1]: expected a secret of at least 32 characters, got a string of 5 characters',
      'secrets[2]: expected a secret of at least 32 characters, got a string of 31 characters',
    ]);
  });

  it('session.secrets requires the secrets to differ', () => {
    expect(problems({ secrets: [secret, `${secret}2`, secret] })).toEqual([
      'secrets[2]: expected distinct secrets; session.secrets[0] is the same, got a string of 32 characters',
    ]);
  });
});

describe('the limits of a session', () => {
  it('session rejects an idle limit longer than the absolute limit', () => {
    expect(parse({ idleTimeout: '1h', absoluteTimeout: '1h' })).toMatchObject({ idleTimeout: 3_600_000 });
    expect(problems({ idleTimeout: '13h' })).toEqual([
      'idleTimeout: expected no longer than session.absoluteTimeout, got "13h"',
    ]);
    expect(problems({ absoluteTimeout: '10m' })).toEqual([
      'idleTimeout: expected no longer than session.absoluteTimeout, got the default',
    ]);
  });

  it('session rejects limits of zero', () => {
    expect(problems({ idleTimeout: '0s', absoluteTimeout: '0s' })).toHaveLength(2);
  });

  it('session allows the cache to be turned off', () => {
    expect(parse({ cache: { maxAge: '0s' } }).cache.maxAge).toBe(0);
  });
});

describe('the other keys of a session', () => {
  it('session.cookie accepts SameSite strict and lax, and not none', () => {
    expect(parse({ cookie: { sameSite: 'lax' } }).cookie.sameSite).toBe('lax');
    expect(problems({ cookie: { sameSite: 'none' } })).toEqual([
      'cookie.sameSite: expected one of strict, lax, got "none"',
    ]);
  });

  it.each(['', 'with space', 'a{b}', 'x'.repeat(65)])('session rejects the key prefix %o', (keyPrefix) => {
    expect(problems({ keyPrefix })).toEqual([
      expect.stringMatching(/^keyPrefix: expected 1 to 64 printable characters without spaces or braces/),
    ]);
  });
});
