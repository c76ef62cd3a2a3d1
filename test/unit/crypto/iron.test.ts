import { sealData, unsealData } from 'iron-session';
import { describe, expect, it } from 'vitest';
import { openIron, sealIron } from '../../../src/crypto/iron.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';

const key = createKeyRing(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']).current('session-cookie');
/** The key as the library takes it. */
const password = { [key.id]: key.secret.export().toString('base64url') };
const text = '{"id":"canary","list":[1,"ü",null]}';
const nowMs = Date.now();

/** Each differs from a good seal in one part, one character or its length. */
function malformedSeals(): string[] {
  const good = sealIron(text, key, nowMs + 60_000);
  const parts = good.split('*');
  const long = '9'.repeat(400);
  const strange = ['', '!', '=', 'A', 'é', '\ud800', '\0', '__proto__', 'constructor', '-1', '1e309', long];
  return [
    '',
    '~',
    'Fe26.2',
    '*'.repeat(7),
    '*'.repeat(100_000),
    `${good}*`,
    `*${good}`,
    ...parts.flatMap((_part, at) => strange.map((part) => parts.with(at, part).join('*'))),
    ...Array.from(good, (_character, at) => good.slice(0, at)),
    ...Array.from(
      good,
      (character, at) => `${good.slice(0, at)}${character === '0' ? '1' : '0'}${good.slice(at + 1)}`,
    ),
  ].filter((seal) => seal !== good);
}

describe('a seal in the format of iron-session', () => {
  it('opens in iron-session, with and without an expiry', async () => {
    for (const expiresAtMs of [undefined, nowMs + 60_000]) {
      const seal = sealIron(text, key, expiresAtMs);
      expect(await unsealData(`${seal}~2`, { password, ttl: 60 })).toEqual(JSON.parse(text));
    }
  });

  it('opens when iron-session has made it, until a minute after its expiry', async () => {
    const unlimited = await sealData(JSON.parse(text), { password, ttl: 0 });
    expect(openIron(unlimited.replace('~2', ''), key, nowMs + 1e12)).toBe(text);
    const seal = (await sealData(JSON.parse(text), { password, ttl: 600 })).replace('~2', '');
    const expiresAtMs = Number(seal.split('*')[5]);
    expect(openIron(seal, key, expiresAtMs + 59_999)).toBe(text);
    expect(openIron(seal, key, expiresAtMs + 60_000)).toBeUndefined();
  });

  it('differs each time, and does not contain its text', () => {
    const seals = Array.from({ length: 100 }, () => sealIron(text, key, undefined));
    const partsAt = (at: number) => new Set(seals.map((seal) => seal.split('*')[at])).size;
    // The salt, the iv, the ciphertext, the salt of the code, and the code.
    expect([2, 3, 4, 6, 7].map(partsAt)).toEqual([100, 100, 100, 100, 100]);
    expect(seals.join()).not.toContain('canary');
  });

  it('does not open under another key of the same id', () => {
    const other = createKeyRing(['another-secret-of-32-characters..']).current('session-cookie');
    expect(openIron(sealIron(text, key, undefined), { ...other, id: key.id }, nowMs)).toBeUndefined();
  });

  it('does not open when it is malformed, and does not throw (E9)', () => {
    for (const seal of malformedSeals())
      expect({ seal, opened: openIron(seal, key, nowMs) }).toEqual({ seal, opened: undefined });
  });
});
