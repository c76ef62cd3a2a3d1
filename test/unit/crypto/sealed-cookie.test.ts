import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../../src/crypto/sealed-cookie.ts';

const older = 'the-older-secret-of-32-characters';
const newer = 'the-newer-secret-of-32-characters';

describe('a sealed cookie', () => {
  const cookies = createSealedCookies(createKeyRing([newer, older]), 'session-cookie');

  it('a sealed cookie opens to the sealed value', async () => {
    const value = { id: 'canary', nested: { list: [1, 'ü', null] } };
    const seal = await cookies.seal(value, 0);
    expect(await cookies.unseal(seal)).toEqual(value);
    expect(seal).not.toContain('canary');
    expect(seal).toMatch(/^[A-Za-z0-9.*_~-]+$/);
  });

  it('a sealed cookie does not open for another purpose', async () => {
    const logins = createSealedCookies(createKeyRing([newer, older]), 'login-cookie');
    expect(await cookies.unseal(await logins.seal({ id: 'a' }, 0))).toBeUndefined();
  });

  it('a sealed cookie opens with an older secret while it is configured (E6)', async () => {
    const keyRing = createKeyRing([older]);
    const rotating = createSealedCookies(keyRing, 'session-cookie');
    const seal = await rotating.seal({ id: 'a' }, 0);
    keyRing.replace([newer, older]);
    expect(await rotating.unseal(seal)).toEqual({ id: 'a' });
    const rewritten = await rotating.seal({ id: 'a' }, 0);
    keyRing.replace([newer]);
    expect(await rotating.unseal(seal)).toBeUndefined();
    expect(await rotating.unseal(rewritten)).toEqual({ id: 'a' });
  });

  it('a sealed cookie that was changed or truncated opens to undefined and throws nothing (E9)', async () => {
    const seal = await cookies.seal({ id: 'a' }, 0);
    const signed = seal.slice(0, seal.lastIndexOf('~'));
    for (let at = 0; at < signed.length; at += 1) {
      const other = signed[at] === 'A' ? 'B' : 'A';
      expect(await cookies.unseal(`${signed.slice(0, at)}${other}${signed.slice(at + 1)}~2`)).toBeUndefined();
      expect(await cookies.unseal(signed.slice(0, at))).toBeUndefined();
    }
  });

  it.each([
    '',
    '~',
    '~2',
    'Fe26.2',
    'Fe26.2*******',
    'Fe26.2*__proto__******',
    '%',
    '\ud800',
    'x'.repeat(100_000),
  ])('a sealed cookie opens to undefined when it is %.40o', async (text) => {
    expect(await cookies.unseal(text)).toBeUndefined();
  });

  it('a sealed cookie does not open with anything appended, even another seal', async () => {
    const seal = await cookies.seal({ id: 'a' }, 0);
    for (const more of ['~', '~2', ' ~2', `,${seal}`, `~${seal}`]) {
      expect(await cookies.unseal(seal + more)).toBeUndefined();
    }
  });

  describe('with a lifetime', () => {
    beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 15, 12) }));
    afterEach(() => vi.useRealTimers());

    it('a sealed cookie has one spelling: it opens with exactly one last character', async () => {
      const seal = await cookies.seal({ id: 'a' }, 0);
      const at = seal.lastIndexOf('~') - 1;
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const spellings = Array.from(
        alphabet,
        (character) => seal.slice(0, at) + character + seal.slice(at + 1),
      );
      const opened = await Promise.all(spellings.map((spelling) => cookies.unseal(spelling)));
      expect(spellings.filter((_spelling, index) => opened[index] !== undefined)).toEqual([seal]);
    });

    it('a sealed cookie expires after its lifetime and a minute of grace, and never without a lifetime', async () => {
      const [bounded, unbounded] = [await cookies.seal({ id: 'a' }, 600), await cookies.seal({ id: 'a' }, 0)];
      vi.advanceTimersByTime(600_000);
      expect(await cookies.unseal(bounded)).toEqual({ id: 'a' });
      vi.advanceTimersByTime(60_000);
      expect(await cookies.unseal(bounded)).toBeUndefined();
      vi.advanceTimersByTime(365 * 86_400_000);
      expect(await cookies.unseal(unbounded)).toEqual({ id: 'a' });
    });
  });
});
