import { describe, expect, it } from 'vitest';
import { createBoundedMap } from '../../../src/concurrency/bounded-map.ts';

function openMap(options: { maxEntries?: number; lifeMs?: number } = {}) {
  const { maxEntries = 3, lifeMs = Infinity } = options;
  const clock = { nowMs: 0 };
  const map = createBoundedMap<string, number>({
    maxEntries,
    isExpired: (setAtMs) => clock.nowMs - setAtMs >= lifeMs,
  });
  return { map, clock };
}

describe('a bounded map', () => {
  it('a bounded map returns a value until it is deleted or the map is cleared', () => {
    const { map } = openMap();
    map.set('a', 1);
    map.set('b', 2);
    expect([map.get('a'), map.has('b'), map.get('c'), map.has('c')]).toEqual([1, true, undefined, false]);
    map.delete('a');
    map.delete('c');
    expect([map.get('a'), map.get('b')]).toEqual([undefined, 2]);
    map.clear();
    expect(map.has('b')).toBe(false);
  });

  it('a bounded map drops the oldest entries when the total size of the values is too large', () => {
    const map = createBoundedMap<string, string>({
      maxEntries: 100,
      maxSize: 10,
      sizeOf: (text) => text.length,
    });
    for (const key of ['a', 'b', 'c']) map.set(key, '1234');
    expect([...map.keys()]).toEqual(['b', 'c']);
    map.set('b', '1');
    map.set('d', '12345');
    expect([...map.keys()]).toEqual(['c', 'b', 'd']);
    map.delete('c');
    map.set('e', '1234');
    expect([...map.keys()]).toEqual(['b', 'd', 'e']);
    map.set('f', '12345678901');
    expect([...map.keys()]).toEqual(['b', 'd', 'e']);
    map.set('b', '12345678901');
    expect(map.has('b')).toBe(false);
    map.clear();
    map.set('g', '1234567890');
    expect([...map.keys()]).toEqual(['g']);
  });

  it('a bounded map drops the oldest entry when one exceeds the maximum number', () => {
    const { map } = openMap();
    for (const key of ['a', 'b', 'c', 'd']) map.set(key, 0);
    expect([...map.keys()]).toEqual(['b', 'c', 'd']);
  });

  it('a bounded map treats an entry that is set again as the newest', () => {
    const { map } = openMap();
    for (const key of ['a', 'b', 'c', 'a', 'd']) map.set(key, 0);
    expect([...map.keys()]).toEqual(['c', 'a', 'd']);
  });

  it('reading an entry does not make it newer', () => {
    const { map } = openMap();
    for (const key of ['a', 'b', 'c']) map.set(key, 0);
    map.get('a');
    map.set('d', 0);
    expect(map.has('a')).toBe(false);
  });

  it('a bounded map with a maximum of 0 keeps nothing', () => {
    const { map } = openMap({ maxEntries: 0 });
    map.set('a', 1);
    expect(map.has('a')).toBe(false);
  });
});

describe('a bounded map whose entries expire', () => {
  it('a bounded map returns no expired entry', () => {
    const { map, clock } = openMap({ lifeMs: 10 });
    map.set('a', clock.nowMs);
    clock.nowMs = 9;
    expect(map.get('a')).toBe(0);
    clock.nowMs = 10;
    expect([map.get('a'), map.has('a')]).toEqual([undefined, false]);
  });

  it('a bounded map removes expired entries when the next one is set', () => {
    const { map, clock } = openMap({ maxEntries: 100, lifeMs: 10 });
    for (const key of ['a', 'b', 'c']) map.set(key, clock.nowMs);
    clock.nowMs = 5;
    map.set('d', clock.nowMs);
    clock.nowMs = 12;
    map.set('e', clock.nowMs);
    expect([...map.keys()]).toEqual(['d', 'e']);
  });
});
