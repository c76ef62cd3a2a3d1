import { describe, expect, it } from 'vitest';
import { createBlindIndex } from '../../../src/crypto/blind-index.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';
const about = ['subject', 'https://login.example.com', 'ada'];
const indexOf = (...secrets: string[]) => createBlindIndex(createKeyRing(secrets));

describe('a blind index', () => {
  it('a blind index is short and the same each time', () => {
    expect(indexOf(newer).name(about)).toBe(indexOf(newer).name(about));
    expect(indexOf(newer).name(about)).toMatch(/^[\w-]{22}$/);
  });

  it('blind indexes of different inputs differ, and the parts of an input are kept apart (CVE-2023-35941)', () => {
    const { name } = indexOf(newer);
    const others = [
      ['subject', 'https://login.example.com', 'bob'],
      ['subject', 'https://login.example.coma', 'da'],
      ['subject', 'https://login.example.com","ada'],
      ['sid', 'https://login.example.com', 'ada'],
      ['subject', 'https://login.example.com', 'ada', ''],
    ];
    expect(new Set([about, ...others].map(name)).size).toBe(6);
  });

  it('a blind index cannot be computed without the secret (standards: E5)', () => {
    expect(indexOf(newer).name(about)).not.toBe(indexOf(older).name(about));
  });

  it('blind indexes are computed for every accepted secret, the current one first (standards: E6)', () => {
    const both = indexOf(newer, older);
    expect(both.name(about)).toBe(indexOf(newer).name(about));
    expect(both.names(about)).toEqual([indexOf(newer).name(about), indexOf(older).name(about)]);
  });
});
