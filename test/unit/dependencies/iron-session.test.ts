import { sealData, unsealData } from 'iron-session';
import { describe, expect, it } from 'vitest';

const password = { 7: 'a-password-of-at-least-32-characters' };

/** Seals that differ from a good one in one part, one character or their length. */
async function malformedSeals(): Promise<string[]> {
  const good = await sealData({ id: 'a' }, { password, ttl: 0 });
  const body = good.slice(0, good.indexOf('~'));
  const parts = body.split('*');
  const strange = [
    '',
    '!',
    '=',
    'A',
    'é',
    '\ud800',
    '\0',
    '__proto__',
    'constructor',
    '-1',
    '1e309',
    '9'.repeat(400),
  ];
  return [
    '',
    '~',
    '~2',
    '*',
    '*'.repeat(7),
    'Fe26.2',
    ...parts
      .flatMap((_part, at) => strange.map((text) => parts.with(at, text).join('*')))
      .filter((seal) => seal !== body),
    ...Array.from(body, (_character, at) => body.slice(0, at)),
    ...Array.from(
      body,
      (character, at) => `${body.slice(0, at)}${character === '!' ? '?' : '!'}${body.slice(at + 1)}`,
    ),
  ];
}

describe('iron-session 9', () => {
  it('iron-session 9 returns an empty object for every malformed seal, calls onUnsealError, and throws for none', async () => {
    for (const seal of await malformedSeals()) {
      let said: string | undefined;
      const value = await unsealData(seal, { password, ttl: 0, onUnsealError: (reason) => (said = reason) });
      expect({ seal, value }).toEqual({ seal, value: {} });
      expect(said).toMatch(/^(?:invalid|unknown-password)$/);
    }
  });

  it('iron-session 9 distinguishes a sealed empty object from a malformed seal only by onUnsealError', async () => {
    const seal = await sealData({}, { password, ttl: 0 });
    let said: string | undefined;
    expect(await unsealData(seal, { password, ttl: 0, onUnsealError: (reason) => (said = reason) })).toEqual(
      {},
    );
    expect(said).toBeUndefined();
  });

  it('iron-session 9 seals with the password of the highest id, in any order', async () => {
    const seal = await sealData({ id: 'a' }, { password: { 9: 'b'.repeat(32), ...password }, ttl: 0 });
    expect(seal.split('*')[1]).toBe('9');
  });
});
