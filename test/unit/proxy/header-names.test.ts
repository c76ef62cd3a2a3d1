import { describe, expect, it } from 'vitest';
import { mayTrail, nominatedBy, rememberNames } from '../../../src/proxy/header-names.ts';

describe('the header names that Connection nominates', () => {
  it.each([
    [undefined, undefined],
    ['close', undefined],
    ['keep-alive', undefined],
    ['Upgrade', undefined],
    ['close, X-Custom', ['close', 'x-custom']],
    ['X-Custom', ['x-custom']],
    [' X-A ,, X-B,', ['x-a', '', 'x-b']],
    ['keep-alive,Upgrade', ['keep-alive', 'upgrade']],
  ])('in %o are %o (F1)', (connection, names) => {
    const nominated = nominatedBy(connection);
    expect(nominated && [...nominated]).toEqual(names);
  });

  it('in several header lines are the names of all lines (F2)', () => {
    expect([...(nominatedBy(['close', 'X-A']) ?? [])]).toEqual(['close', 'x-a']);
  });
});

describe('a memoized predicate of header names', () => {
  it('is evaluated once per name', () => {
    const asked: string[] = [];
    const judge = rememberNames((name) => {
      asked.push(name);
      return name === 'a';
    });
    expect([judge('a'), judge('b'), judge('a'), judge('b')]).toEqual([true, false, true, false]);
    expect(asked).toEqual(['a', 'b']);
  });

  it('keeps only the first thousand names, so that names from clients take no memory (F23)', () => {
    let asked = 0;
    const judge = rememberNames(() => {
      asked += 1;
      return true;
    });
    for (let at = 0; at < 1_500; at += 1) judge(`x-${at}`);
    asked = 0;
    for (let at = 0; at < 1_500; at += 1) judge(`x-${at}`);
    expect(asked).toBe(500);
  });
});

describe('a trailer section', () => {
  it.each(['x-checksum', 'server-timing', 'grpc-status', 'content-digest', 'etag'])(
    'may contain %s',
    (name) => {
      expect(mayTrail(name)).toBe(true);
    },
  );

  it.each([
    'host',
    'content-length',
    'transfer-encoding',
    'trailer',
    'te',
    'connection',
    'authorization',
    'proxy-authorization',
    'www-authenticate',
    'cookie',
    'set-cookie',
    'content-type',
    'content-encoding',
    'cache-control',
    'location',
    'if-match',
  ])('may not contain %s, which belongs into the head (F1)', (name) => {
    expect(mayTrail(name)).toBe(false);
  });
});
