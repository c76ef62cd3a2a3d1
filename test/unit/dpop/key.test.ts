import { calculateJwkThumbprint } from 'jose';
import { describe, expect, it } from 'vitest';
import { createDpopKey, dpopThumbprint, importDpopKey, readDpopKey } from '../../../src/dpop/key.ts';

/** The private key of RFC 7515, appendix A.3, with its public coordinates. */
const RFC_KEY = {
  d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
};

describe('a DPoP key', () => {
  it('is 256 bits in base64url, and another one each time', () => {
    const keys = Array.from({ length: 50 }, createDpopKey);
    const texts = keys.map((key) => key.toJSON());
    for (const text of texts) expect(Buffer.from(text, 'base64url')).toHaveLength(32);
    expect(new Set(texts).size).toBe(50);
    expect(new Set(keys.map(({ id }) => id)).size).toBe(50);
  });

  it('is the same one after JSON, and is in memory as a KeyObject only', () => {
    const key = createDpopKey();
    const text = JSON.stringify(key);
    const again = readDpopKey(JSON.parse(text) as string);
    expect(JSON.stringify(again)).toBe(text);
    expect(again.id).toBe(key.id);
    expect(Object.values({ ...again })).not.toContain(again.toJSON());
  });

  it('gives the public key that belongs to it', () => {
    const { publicJwk, privateKey } = importDpopKey(readDpopKey(RFC_KEY.d));
    expect(publicJwk).toEqual({ kty: 'EC', crv: 'P-256', x: RFC_KEY.x, y: RFC_KEY.y });
    expect(privateKey.export({ format: 'jwk' })).toMatchObject(RFC_KEY);
  });

  it('has the thumbprint of RFC 7638', async () => {
    const key = importDpopKey(createDpopKey());
    expect(dpopThumbprint(key)).toBe(await calculateJwkThumbprint(key.publicJwk));
  });

  it.each(['', 'AA', 'A'.repeat(43)])('cannot be imported from %j, which is no private key', (text) => {
    expect(() => importDpopKey(readDpopKey(text))).toThrow('Private key is not valid');
  });
});
