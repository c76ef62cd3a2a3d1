import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { joinNumbers, signEs256 } from '../../../src/dpop/es256.ts';

/** A sequence of two integers in DER, whose bytes are given. */
const derOf = (...integers: number[][]) => {
  const content = integers.flatMap((bytes) => [0x02, bytes.length, ...bytes]);
  return Buffer.from([0x30, content.length, ...content]);
};
const repeat = (byte: number, count: number) => Array.from({ length: count }, () => byte);
const hex = (bytes: number[]) => Buffer.from(bytes).toString('hex');

describe('the two numbers of an ES256 signature', () => {
  const full = repeat(0x7f, 32);

  it.each([
    {
      title: 'have 32 bytes each',
      der: derOf(full, repeat(0x11, 32)),
      joined: [...full, ...repeat(0x11, 32)],
    },
    {
      title: 'lose the zero that DER adds before a byte above 0x7f',
      der: derOf([0, ...repeat(0x80, 32)], [0, ...repeat(0xff, 32)]),
      joined: [...repeat(0x80, 32), ...repeat(0xff, 32)],
    },
    {
      title: 'get back the leading zeros that DER leaves out',
      der: derOf(repeat(0x22, 30), [0x05]),
      joined: [0, 0, ...repeat(0x22, 30), ...repeat(0, 31), 0x05],
    },
    {
      title: 'get back a leading zero where DER needs one for the sign',
      der: derOf([0, ...repeat(0x90, 31)], full),
      joined: [0, ...repeat(0x90, 31), ...full],
    },
  ])('$title (RFC 7518, section 3.4)', ({ der, joined }) => {
    expect(joinNumbers(der).toString('hex')).toBe(hex(joined));
  });

  it('are a valid signature of the text', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signature = Buffer.from(signEs256('a text', privateKey), 'base64url');
    const key = { key: createPublicKey(privateKey), dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', Buffer.from('a text'), key, signature)).toBe(true);
    expect(verify('sha256', Buffer.from('another'), key, signature)).toBe(false);
  });
});
