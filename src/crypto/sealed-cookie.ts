import { openIron, sealIron } from './iron.ts';
import type { KeyPurpose, KeyRing } from './key-ring.ts';

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

/** What iron-session 9 appends to its seals. */
const VERSION = '~2';

/** Cookie seals in the format of iron-session 9, under keys of the given purpose. */
export function createSealedCookies(
  keyRing: KeyRing,
  purpose: KeyPurpose,
  forgedSeals?: ForgedSealLimit,
): SealedCookies {
  const findKey = (keyId: number | undefined) =>
    keyId === undefined ? undefined : keyRing.find(purpose, keyId);

  return {
    async seal(value, ttlSeconds) {
      const expiresAtMs = ttlSeconds === 0 ? undefined : Date.now() + ttlSeconds * 1000;
      return sealIron(JSON.stringify(value), keyRing.current(purpose), expiresAtMs) + VERSION;
    },

    async unseal(text, clientAddress) {
      const key = findKey(keyIdIn(text));
      if (key === undefined) return undefined;
      // SECURITY: before the key derivation, because any client could make the gateway repeat it.
      if (clientAddress !== undefined) forgedSeals?.check(clientAddress);
      const opened = openIron(text.slice(0, -VERSION.length), key, Date.now());
      if (opened !== undefined) return JSON.parse(opened);
      if (clientAddress !== undefined) forgedSeals?.count(clientAddress);
      return undefined;
    },

    unknownKeyId(text) {
      const keyId = keyIdIn(text);
      return findKey(keyId) === undefined ? keyId : undefined;
    },
  };
}

/** A seal with its key id: it ends in the code of 32 bytes in base64url, and the version. */
const SEAL = /^Fe26\.2\*(\d{1,10})\*[^~]*\*[\w-]{42}[AEIMQUYcgkosw048]~2$/;

/** The id of the key in a seal; undefined for any other text. It is not authenticated. */
export function keyIdIn(text: string): number | undefined {
  const [, digits] = SEAL.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
