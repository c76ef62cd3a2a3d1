import { createHmac, timingSafeEqual } from 'node:crypto';
import { UnknownKeyError } from './envelope.ts';
import type { Key, KeyRing } from './key-ring.ts';

/** Times with an authentication code, readable by anybody and writable only with a session secret. */
export type SealedTimes = {
  /** Seals a time (epoch ms) for one context. */
  seal(timeMs: number, context: string): Buffer;
  /** The time; undefined if it is not authentic for this context. Throws {@link UnknownKeyError}. */
  open(sealed: Buffer, context: string): number | undefined;
  /** The id of the key that seals it; undefined for anything else. It is not authenticated. */
  keyIdOf(sealed: Buffer): number | undefined;
};

const TIME_BYTES = 8;
const CODE_BYTES = 16;
const CODE_AT = TIME_BYTES + 4;
const LENGTH = CODE_AT + CODE_BYTES;

/** `time (8) · key id (4) · code (16)`. The code is an HMAC-SHA-256, cut to 128 bits, of the context and what precedes it. */
export function createSealedTimes(keyRing: KeyRing): SealedTimes {
  const keyIdOf: SealedTimes['keyIdOf'] = (sealed) =>
    sealed.length === LENGTH ? sealed.readUInt32BE(TIME_BYTES) : undefined;

  return {
    seal(timeMs, context) {
      const key = keyRing.current('idle-limit');
      const sealed = Buffer.alloc(LENGTH);
      sealed.writeDoubleBE(timeMs, 0);
      sealed.writeUInt32BE(key.id, TIME_BYTES);
      codeOf(key, sealed, context).copy(sealed, CODE_AT);
      return sealed;
    },
    open(sealed, context) {
      const keyId = keyIdOf(sealed);
      if (keyId === undefined) return undefined;
      const key = keyRing.find('idle-limit', keyId);
      if (key === undefined) throw new UnknownKeyError(keyId);
      const isAuthentic = timingSafeEqual(codeOf(key, sealed, context), sealed.subarray(CODE_AT));
      return isAuthentic ? sealed.readDoubleBE(0) : undefined;
    },
    keyIdOf,
  };
}

function codeOf({ secret }: Key, sealed: Buffer, context: string): Buffer {
  // The first part has a fixed length, so that different inputs are never the same bytes.
  const code = createHmac('sha256', secret).update(sealed.subarray(0, CODE_AT)).update(context).digest();
  return code.subarray(0, CODE_BYTES);
}
