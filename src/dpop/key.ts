import {
  createECDH,
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
} from 'node:crypto';

/** The private key of one session for DPoP (RFC 9449), on the curve P-256. */
export type DpopKey = {
  /** Names the key in this process: a hash, which does not reveal it. */
  readonly id: string;
  /**
   * The member `d` of its JWK (RFC 7518, section 6.2.2.1), from which the public key follows.
   *
   * SECURITY: a KeyObject, whose bytes are outside the heap of JavaScript, so that a heap dump does not have them.
   */
  readonly secret: KeyObject;
  /**
   * `d` in base64url, 43 characters.
   *
   * SECURITY: it belongs in sealed records only, and in the sealed cookie of a sign-in that began while the store was down.
   */
  toJSON(): string;
};

/** The public key, with its members in the order that a thumbprint needs (RFC 7638, section 3.3). */
type PublicJwk = { readonly crv: 'P-256'; readonly kty: 'EC'; readonly x: string; readonly y: string };

/** A {@link DpopKey} that can sign. */
export type ImportedDpopKey = { readonly privateKey: KeyObject; readonly publicJwk: PublicJwk };

const COORDINATE_BYTES = 32;

export function createDpopKey(): DpopKey {
  const { d } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  if (d === undefined) throw new Error('cannot export a new EC key as a JWK');
  return readDpopKey(d);
}

/** Reads what `toJSON` of a key wrote. */
export function readDpopKey(d: string): DpopKey {
  return { id: hash('sha256', d, 'base64url'), secret: createSecretKey(d, 'base64url'), toJSON };
}

function toJSON(this: DpopKey): string {
  return this.secret.export().toString('base64url');
}

/** Imports a key. Throws for one that is not of the curve. */
export function importDpopKey(key: DpopKey): ImportedDpopKey {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(key.secret.export());
  // An uncompressed point: 0x04, x, y (SEC 1, section 2.3.3).
  const point = ecdh.getPublicKey();
  const publicJwk: PublicJwk = {
    crv: 'P-256',
    kty: 'EC',
    x: point.toString('base64url', 1, 1 + COORDINATE_BYTES),
    y: point.toString('base64url', 1 + COORDINATE_BYTES),
  };
  return {
    privateKey: createPrivateKey({ format: 'jwk', key: { ...publicJwk, d: key.toJSON() } }),
    publicJwk,
  };
}

/** The SHA-256 thumbprint of the public key (RFC 7638), base64url: `dpop_jkt` (RFC 9449, section 10). */
export function dpopThumbprint({ publicJwk: { crv, kty, x, y } }: ImportedDpopKey): string {
  return hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
}
