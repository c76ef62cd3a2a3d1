import { describe, expect, it } from 'vitest';
import { createDpopNonces } from '../../../src/dpop/nonces.ts';

describe('the nonces for DPoP proofs', () => {
  it('are the newest one of each server', () => {
    const nonces = createDpopNonces();
    expect(nonces.of('https://a.example')).toBeUndefined();
    expect(nonces.learn('https://a.example', 'one')).toBe(true);
    expect(nonces.learn('https://b.example', 'two')).toBe(true);
    expect(nonces.learn('https://a.example', 'three')).toBe(true);
    expect([nonces.of('https://a.example'), nonces.of('https://b.example')]).toEqual(['three', 'two']);
  });

  it.each([undefined, null, '', 'a b', 'a"b', 'ü', 'x'.repeat(1025), ['one', 'two']])(
    'are not %j',
    (header) => {
      const nonces = createDpopNonces();
      nonces.learn('https://a.example', 'one');
      expect(nonces.learn('https://a.example', header)).toBe(false);
      expect(nonces.of('https://a.example')).toBe('one');
    },
  );

  it('are kept for a thousand servers', () => {
    const nonces = createDpopNonces();
    for (let count = 0; count <= 1_000; count += 1) nonces.learn(`https://${count}.example`, 'one');
    expect(nonces.of('https://0.example')).toBeUndefined();
    expect(nonces.of('https://1.example')).toBe('one');
  });
});
