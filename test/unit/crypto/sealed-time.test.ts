import { describe, expect, it } from 'vitest';
import { UnknownKeyError } from '../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedTimes } from '../../../src/crypto/sealed-time.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';
const context = 'coatcheck:session:a';
const time = Date.UTC(2026, 0, 15);

const times = createSealedTimes(createKeyRing([newer, older]));

describe('a sealed time (E5)', () => {
  it('opens to the time that was sealed', () => {
    expect(times.open(times.seal(time, context), context)).toBe(time);
  });

  it('does not open for another record, cut short or with something after it', () => {
    const sealed = times.seal(time, context);
    expect(times.open(sealed, 'coatcheck:session:b')).toBeUndefined();
    expect(times.open(sealed.subarray(0, -1), context)).toBeUndefined();
    expect(times.open(Buffer.concat([sealed, Buffer.of(0)]), context)).toBeUndefined();
    expect(times.open(Buffer.alloc(0), context)).toBeUndefined();
  });

  it('does not open with any one bit changed', () => {
    const sealed = times.seal(time, context);
    const opened = Array.from({ length: sealed.length * 8 }, (_, bit) => {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      try {
        return times.open(changed, context);
      } catch (error) {
        // The bits of the key id.
        return error instanceof UnknownKeyError && bit >= 64 && bit < 96 ? undefined : error;
      }
    });
    expect(opened.filter((result) => result !== undefined)).toEqual([]);
  });

  it('opens with an older secret as long as that is configured (E6)', () => {
    const sealed = createSealedTimes(createKeyRing([older])).seal(time, context);
    expect(times.open(sealed, context)).toBe(time);
    expect(() => createSealedTimes(createKeyRing([newer])).open(sealed, context)).toThrow(UnknownKeyError);
  });
});
