import { sealData, unsealData } from 'iron-session';
import type { Key, KeyPurpose, KeyRing } from './key-ring.ts';

/** Seals small values for cookies, so that a browser can carry but neither read nor make them. */
export type SealedCookies = {
  /** Seals a value; with `ttlSeconds` 0 it never lapses by itself. */
  seal(value: Record<string, unknown>, ttlSeconds: number): Promise<string>;
  /** Opens a seal of this purpose, or gives undefined for anything else, however malformed. */
  unseal(text: string): Promise<Record<string, unknown> | undefined>;
  /** The id of the key that a seal names, where this process does not have that key; anybody can write any id. */
  unknownKeyId(text: string): number | undefined;
};

/**
 * A seal, as far as its end shows: its HMAC of 32 bytes, and the version of iron-session's format, behind the one "~".
 *
 * SECURITY: two bits of the last character of those 43 mean nothing to a decoder, and iron-session 9 reads nothing behind
 * a second "~". The bits are 0 and there is no such thing, so that a seal has one spelling, and one that was changed in
 * any bit does not open.
 */
const CANONICAL = /^[^~]*\*[\w-]{42}[AEIMQUYcgkosw048]~2$/;

/** Cookie seals by iron-session (Fe26.2: AES-256-CBC with HMAC-SHA-256), under keys of the given purpose. */
export function createSealedCookies(keyRing: KeyRing, purpose: KeyPurpose): SealedCookies {
  return {
    // iron-session 9 writes with the highest password id: it is given the writing key alone.
    seal: (value, ttl) => sealData(value, { password: passwords([keyRing.current(purpose)]), ttl }),

    async unseal(text) {
      if (!CANONICAL.test(text)) return undefined;
      let failed = false;
      try {
        // iron-session 9 answers a refused seal with {}, which may also have been sealed, and says so only here
        // (test/unit/dependencies/iron-session.test.ts). Should it throw, that means no more: there is nothing here.
        const value = await unsealData(text, {
          password: passwords(keyRing.all(purpose)),
          ttl: 0,
          onUnsealError: () => (failed = true),
        });
        return failed || typeof value !== 'object' || value === null ? undefined : { ...value };
      } catch {
        return undefined;
      }
    },

    unknownKeyId(text) {
      const [, digits] = CANONICAL.test(text) ? (keyIdOf.exec(text) ?? []) : [];
      const keyId = digits === undefined ? undefined : Number(digits);
      return keyId === undefined || keyRing.find(purpose, keyId) !== undefined ? undefined : keyId;
    },
  };
}

/** The format of iron-session, and the id of the key behind it. */
const keyIdOf = /^Fe26\.2\*(\d{1,10})\*/;

function passwords(keys: readonly Key[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key.id, key.secret.export().toString('base64url')]));
}
