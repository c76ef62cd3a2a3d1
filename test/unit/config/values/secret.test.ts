import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { secretText } from '../../../../src/config/values/secrets/secret.ts';

const isAccepted = (text: string) => secretText().safeParse(text).success;

describe('a secret', () => {
  it.each([
    ['hexadecimal', () => randomBytes(16).toString('hex')],
    ['base64', () => randomBytes(24).toString('base64')],
    ['decimal', () => Array.from({ length: 32 }, () => randomInt(10)).join('')],
    ['long', () => randomBytes(512).toString('base64url')],
  ])('accepts a random secret: %s', (_what, generate) => {
    for (let count = 0; count < 200; count += 1) expect(isAccepted(generate())).toBe(true);
  });

  it('accepts a long phrase as a secret', () => {
    expect(isAccepted('correct horse battery staple, and some more')).toBe(true);
  });

  it.each([
    'x'.repeat(32),
    'x'.repeat(10_000),
    'ab'.repeat(16),
    'password'.repeat(4),
    'passwordpasswordpasswordpassword1',
    '0123456789abcdef'.repeat(2),
    'abcdefghijklmnopqrstuvwxyz012345',
    'zyxwvutsrqponmlkjihgfedcba987654',
    'aaaaaaaabbbbbbbbccccccccdddddddd',
    'change-me-change-me-change-me-change-me',
  ])('rejects a regular secret: %.40s', (text) => {
    expect(secretText().safeParse(text).error?.issues).toMatchObject([
      { message: expect.stringContaining('expected a random secret; this one is too regular') },
    ]);
  });

  it('reports one problem for a short secret', () => {
    expect(secretText().safeParse('xxxx').error?.issues).toMatchObject([
      { message: 'expected a secret of at least 32 characters' },
    ]);
  });
});
