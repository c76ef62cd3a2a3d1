import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { secretText } from '../../../../src/config/values/secrets/secret.ts';

const isAccepted = (text: string) => secretText().safeParse(text).success;

describe('a secret', () => {
  it.each([
    ['16 bytes in hexadecimal', () => randomBytes(16).toString('hex')],
    ['24 bytes in base64', () => randomBytes(24).toString('base64')],
    ['32 decimal digits', () => Array.from({ length: 32 }, () => randomInt(10)).join('')],
    ['512 bytes', () => randomBytes(512).toString('base64url')],
  ])('accepts a random secret: %s', (_what, generate) => {
    for (let count = 0; count < 200; count += 1) expect(isAccepted(generate())).toBe(true);
  });

  it.each([
    'correct horse battery staple, and some more',
    'monkey-dragon-football-baseball-master',
    'ceci-est-un-secret-de-32-caracteres',
  ])('accepts a phrase of five words or more: %s', (text) => {
    expect(isAccepted(text)).toBe(true);
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
    'changemechangemechangemechangeme',
    'changeme1changeme2changeme3changeme4',
    'qwertyuiopasdfghjklzxcvbnm123456',
    'QWERTYUIOPqwertyuiopASDFGHJKLasdf',
    'qwertzuiopasdfghjklyxcvbnm098765',
    'azertyuiopqsdfghjklmwxcvbn123456',
    '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9',
    'this-is-a-secret-of-32-characters',
    'ThisIsMyVerySecretSessionSecret2024',
    'thisisasecretofthirtytwocharacters',
    'SUPER_SECRET_SESSION_KEY_FOR_PROD',
    'replace-this-with-a-random-secret-value',
    'please-replace-with-openssl-rand-base64-32',
    'development-only-secret-do-not-use-in-production',
    'P@ssw0rd!P@ssw0rd!P@ssw0rd!P@ssw0rd!1',
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
