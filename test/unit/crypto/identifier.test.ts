import { describe, expect, it } from 'vitest';
import { hashIdentifier, randomIdentifier } from '../../../src/crypto/identifier.ts';

describe('an identifier', () => {
  it('an identifier has 256 bits in base64url and never repeats (standards: E1)', () => {
    const made = Array.from({ length: 100_000 }, randomIdentifier);
    expect(new Set(made).size).toBe(100_000);
    expect(made.filter((id) => !/^[A-Za-z0-9_-]{43}$/.test(id))).toEqual([]);
  });

  it('every bit of an identifier is set in about half of all cases (standards: E1)', () => {
    const made = Array.from({ length: 4_096 }, () => Buffer.from(randomIdentifier(), 'base64url'));
    for (let bit = 0; bit < 256; bit += 1) {
      const set = made.filter((bytes) => (bytes.readUInt8(bit >> 3) >> (bit & 7)) & 1).length;
      // 2048 are expected with a deviation of 32: eight of those are never seen by chance.
      expect(Math.abs(set - 2_048)).toBeLessThan(256);
    }
  });
});

describe('the hash of an identifier', () => {
  it('the hash of an identifier is SHA-256 over purpose and identifier, the same in every version (E5)', () => {
    // Computed apart: the digest of `session`, a zero byte and `abc`.
    expect(hashIdentifier('session', 'abc')).toBe('y2EoelmYfrDTtjV-W0iUSrve4pb0vzZLb6eKa17iLnc');
  });

  it('the hash of an identifier differs by purpose, so that the name for one purpose is useless for another', () => {
    expect(hashIdentifier('session', 'abc')).not.toBe(hashIdentifier('public', 'abc'));
    expect(hashIdentifier('session', 'abc')).not.toContain('abc');
  });
});
