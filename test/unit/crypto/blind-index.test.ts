import { describe, expect, it } from 'vitest';
import { createBlindIndex } from '../../../src/crypto/blind-index.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';
const about = ['subject', 'https://login.example.com', 'ada'];
const indexOf = (...secrets: string[]) => createBlindIndex(createKeyRing(secrets));

describe('a blind name', () => {
  it('is the same each time, and short', () => {
    expect(indexOf(newer).name(about)).toBe(indexOf(newer).name(about));
    expect(indexOf(newer).name(about)).toMatch(/^[\w-]{22}$/);
  });

  it('is another one for anything else, and keeps the parts apart (CVE-2023-35941)', () => {
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

  it('cannot be made without the secret (standards: E5)', () => {
    expect(indexOf(newer).name(about)).not.toBe(indexOf(older).name(about));
  });

  it('is found by every secret that still reads, the writing one first (standards: E6)', () => {
    const both = indexOf(newer, older);
    expect(both.name(about)).toBe(indexOf(newer).name(about));
    expect(both.names(about)).toEqual([indexOf(newer).name(about), indexOf(older).name(about)]);
  });
});
