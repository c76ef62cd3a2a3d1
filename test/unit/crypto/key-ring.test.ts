import { describe, expect, it } from 'vitest';
import { createKeyRing, type KeyPurpose } from '../../../src/crypto/key-ring.ts';

const first = 'the-first-secret-of-32-characters';
const second = 'the-second-secret-of-32-characters';
const purposes: readonly KeyPurpose[] = [
  'session-record',
  'envelope',
  'idle-limit',
  'session-cookie',
  'login-cookie',
  'blind-index',
];

describe('the key ring', () => {
  it('the key ring seals with the first secret and opens with all of them (E6)', () => {
    const ring = createKeyRing([first, second]);
    const [writing, reading] = ring.all('session-record');
    expect(ring.current('session-record')).toEqual(writing);
    expect(ring.find('session-record', writing?.id ?? -1)).toEqual(writing);
    expect(ring.find('session-record', reading?.id ?? -1)).toEqual(reading);
    expect(reading).toEqual(createKeyRing([second]).current('session-record'));
  });

  it('the key ring derives the same keys in every version, so that an update signs nobody out', () => {
    const { id, secret } = createKeyRing([first]).current('session-record');
    // Computed apart, by RFC 5869 with an empty salt and the info `coatcheck/1/session-record`.
    expect(secret.export().toString('hex')).toBe(
      '8bbf212d75f41aa39214c0071d35e84bb1ce5e6beffbe60f590a75c4821f599b',
    );
    expect(id).toBe(958_101_072);
  });

  it('the key ring derives unrelated keys for different purposes', () => {
    const ring = createKeyRing([first, second]);
    const keys = purposes.flatMap((purpose) => ring.all(purpose));
    expect(new Set(keys.map(({ secret }) => secret.export().toString('hex'))).size).toBe(purposes.length * 2);
    expect(new Set(keys.map(({ id }) => id)).size).toBe(purposes.length * 2);
    const { id } = ring.current('login-cookie');
    expect(ring.find('session-cookie', id)).toBeUndefined();
  });

  it('the key ring derives keys of 256 bits with ids that every reader parses as integers', () => {
    for (const purpose of purposes) {
      const { id, secret } = createKeyRing([first]).current(purpose);
      expect(secret.export()).toHaveLength(32);
      expect(id).toBeGreaterThanOrEqual(0);
      expect(id).toBeLessThan(2 ** 31);
    }
  });

  it('the key ring keeps the id of a key when other secrets are added or removed', () => {
    const ring = createKeyRing([first]);
    const { id } = ring.current('session-record');
    ring.replace([second, first]);
    expect(ring.find('session-record', id)).toEqual(createKeyRing([first]).current('session-record'));
    expect(ring.current('session-record').id).not.toBe(id);
    ring.replace([second]);
    expect(ring.find('session-record', id)).toBeUndefined();
  });

  it('the key ring throws without a secret', () => {
    expect(() => createKeyRing([]).current('session-record')).toThrow('needs at least one secret');
  });
});
