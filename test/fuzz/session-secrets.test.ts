import fc from 'fast-check';
import { expect, it } from 'vitest';
import { secretText } from '../../src/config/values/secrets/secret.ts';
import { extent } from '../../testkit/fuzz.ts';

const refused = (secrets: string[]) => secrets.filter((secret) => !secretText().safeParse(secret).success);

/** Every byte is as likely as another: a generator of edge cases would repeat one byte, which is no secret. */
const randomBytes = fc.noBias(fc.uint8Array({ minLength: 32, maxLength: 64 }));

it('a session secret of 32 random bytes or more is accepted in base64, base64url and hexadecimal', () => {
  fc.assert(
    fc.property(randomBytes, (array) => {
      const bytes = Buffer.from(array);
      const hex = bytes.toString('hex');
      const secrets = [bytes.toString('base64'), bytes.toString('base64url'), hex, hex.toUpperCase()];
      expect(refused(secrets)).toEqual([]);
    }),
    extent({ short: 2_000, long: 100_000 }),
  );
});
