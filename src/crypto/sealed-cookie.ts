import { sealData, unsealData } from 'iron-session';
import type { Key, KeyPurpose, KeyRing } from './key-ring.ts';

/** Seals small values for cookies: the browser can neither read nor forge them. */
export type SealedCookies = {
  /** Seals a value; with `ttlSeconds` 0 the seal does not expire. */
  seal(value: Record<string, unknown>, ttlSeconds: number): Promise<string>;
  /**
   * Opens a seal of this purpose; returns undefined for any other text. Throws `rate_limited`, without deriving a key, once
   * `clientAddress` has sent too many forged seals; without an address there is no limit.
   */
  unseal(text: string, clientAddress?: string): Promise<Record<string, unknown> | undefined>;
  /** The key id in a seal, if this process does not have that key. The id is not authenticated. */
  unknownKeyId(text: string): number | undefined;
};

/** Limits how many forged seals a client address may send. */
export type ForgedSealLimit = {
  /** Throws `rate_limited` if an address has sent too many. */
  check(clientAddress: string): void;
  count(clientAddress: string): void;
};

/**
 * The end of a seal: the HMAC of 32 bytes in 43 characters, one "~", and the version of iron-session's format.
 *
 * SECURITY: a decoder ignores two bits of the last of the 43 characters, and iron-session 9 ignores text after a second
 * "~". Requiring zero bits and a single "~" gives each seal one spelling: a seal with any changed bit does not open.
 */
const CANONICAL = /^[^~]*\*[\w-]{42}[AEIMQUYcgkosw048]~2$/;

/** Cookie seals by iron-session (Fe26.2: AES-256-CBC with HMAC-SHA-256), under keys of the given purpose. */
export function createSealedCookies(
  keyRing: KeyRing,
  purpose: KeyPurpose,
  forgedSeals?: ForgedSealLimit,
): SealedCookies {
  const unknownKeyId = (text: string) => {
    const keyId = CANONICAL.test(text) ? keyIdIn(text) : undefined;
    return keyId === undefined || keyRing.find(purpose, keyId) !== undefined ? undefined : keyId;
  };
  const open = async (text: string): Promise<Record<string, unknown> | undefined> => {
    let failed = false;
    try {
      // iron-session 9 returns {} for an invalid seal, which may also be a sealed value, and reports the difference only
      // to `onUnsealError` (test/unit/dependencies/iron-session.test.ts). An exception means an invalid seal as well.
      const value = await unsealData(text, {
        password: passwords(keyRing.all(purpose)),
        ttl: 0,
        onUnsealError: () => (failed = true),
      });
      return failed || typeof value !== 'object' || value === null ? undefined : { ...value };
    } catch {
      return undefined;
    }
  };

  return {
    // iron-session 9 seals with the highest password id, so it gets only the current key.
    seal: (value, ttl) => sealData(value, { password: passwords([keyRing.current(purpose)]), ttl }),

    async unseal(text, clientAddress) {
      if (!CANONICAL.test(text) || unknownKeyId(text) !== undefined) return undefined;
      if (clientAddress === undefined) return open(text);
      // SECURITY: before the key derivation, because any client could make the gateway repeat it.
      forgedSeals?.check(clientAddress);
      const value = await open(text);
      if (value === undefined) forgedSeals?.count(clientAddress);
      return value;
    },

    unknownKeyId,
  };
}

/** The prefix of iron-session's format, followed by the key id. */
const KEY_ID = /^Fe26\.2\*(\d{1,10})\*/;

/** The id of the key in a seal; it is not authenticated. */
export function keyIdIn(seal: string): number | undefined {
  const [, digits] = KEY_ID.exec(seal) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function passwords(keys: readonly Key[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key.id, key.secret.export().toString('base64url')]));
}
