import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import type { Key } from './key-ring.ts';

const PREFIX = 'Fe26.2';
const SALT_BYTES = 32;
const IV_BYTES = 16;
/** How long a seal opens after its expiry. */
const GRACE_MS = 60_000;

/**
 * Seals a text in the format of iron-session and @hapi/iron, without the version that iron-session appends:
 * `Fe26.2*key id*salt*iv*ciphertext*expiry*salt of the code*code`, AES-256-CBC and then HMAC-SHA-256.
 *
 * The libraries call WebCrypto six times for a seal, each time in the thread pool, which costs ten times as much CPU time as
 * these small operations take.
 *
 * @param expiresAtMs - undefined for a seal that does not expire.
 */
export function sealIron(plaintext: string, key: Key, expiresAtMs: number | undefined): string {
  const random = randomBytes(2 * SALT_BYTES + IV_BYTES);
  const salt = random.toString('hex', 0, SALT_BYTES);
  const codeSalt = random.toString('hex', SALT_BYTES, 2 * SALT_BYTES);
  const iv = random.subarray(2 * SALT_BYTES);
  const cipher = createCipheriv('aes-256-cbc', deriveKey(key, salt), iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const parts = [PREFIX, key.id, salt, iv.toString('base64url'), ciphertext.toString('base64url')];
  const signed = [...parts, expiresAtMs ?? ''].join('*');
  return `${signed}*${codeSalt}*${codeOf(signed, key, codeSalt)}`;
}

/** Opens a seal of the key; returns undefined if it is not authentic or has expired. Throws nothing. */
export function openIron(seal: string, key: Key, nowMs: number): string | undefined {
  const parts = seal.split('*');
  if (parts.length !== 8) return undefined;
  const [prefix, keyId, salt = '', iv = '', ciphertext = '', expiry = '', codeSalt = '', code = ''] = parts;
  if (prefix !== PREFIX || keyId !== String(key.id)) return undefined;
  // SECURITY: nothing is decrypted before its code is verified, so that no padding error can be observed.
  // Codes are compared as text, because a decoder ignores some bits: a seal with any changed bit does not open.
  const expected = Buffer.from(codeOf(parts.slice(0, 6).join('*'), key, codeSalt));
  const given = Buffer.from(code);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  if (expiry !== '' && !(Number(expiry) + GRACE_MS > nowMs)) return undefined;
  const decipher = createDecipheriv('aes-256-cbc', deriveKey(key, salt), Buffer.from(iv, 'base64url'));
  return decipher.update(ciphertext, 'base64url', 'utf8') + decipher.final('utf8');
}

function codeOf(signed: string, key: Key, salt: string): string {
  return createHmac('sha256', deriveKey(key, salt)).update(signed).digest('base64url');
}

/**
 * PBKDF2 with one round, as the format prescribes: it spreads the salt over a key that is uniformly random already. A `KeyObject`,
 * although it is used once: Node.js 24 recognizes bytes as a key by two exceptions, which take 10 µs.
 */
function deriveKey({ secret }: Key, salt: string): KeyObject {
  const password = secret.export().toString('base64url');
  return createSecretKey(pbkdf2Sync(password, salt, 1, 32, 'sha1'));
}
