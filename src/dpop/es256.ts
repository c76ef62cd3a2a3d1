import { sign, type KeyObject } from 'node:crypto';

/** The length of each of the two numbers of a signature, in bytes. */
const NUMBER_BYTES = 32;

/**
 * Signs a text with ES256 (RFC 7518, section 3.4), base64url.
 *
 * `sign` gets the key without options: with `dsaEncoding`, Node.js 24 takes twice the CPU time
 * (docs/decisions/0022-dpop-by-session-keys.md).
 */
export function signEs256(text: string, privateKey: KeyObject): string {
  return joinNumbers(sign('sha256', Buffer.from(text), privateKey)).toString('base64url');
}

/**
 * The two numbers of a P-256 signature side by side, as JWS has them, from the DER encoding of OpenSSL: a sequence of two
 * integers (RFC 3279, section 2.2.3). DER leaves out leading zeros, and adds one before a byte above 0x7f.
 */
export function joinNumbers(der: Buffer): Buffer {
  const joined = Buffer.alloc(2 * NUMBER_BYTES);
  // Each integer: its tag, its length in one byte, its bytes. The sequence is shorter than 128 bytes, so its length is one byte.
  let at = 2;
  for (const end of [NUMBER_BYTES, 2 * NUMBER_BYTES]) {
    const from = at + 2;
    at = from + der.readUInt8(at + 1);
    der.copy(joined, Math.max(end - (at - from), end - NUMBER_BYTES), Math.max(from, at - NUMBER_BYTES), at);
  }
  return joined;
}
