import { createECDH, createPrivateKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto';

/**
 * The private key of one session for DPoP (RFC 9449): the member `d` of its JWK on the curve P-256 (RFC 7518, section
 * 6.2.2.1). The public key follows from it, so that a record holds 43 characters.
 *
 * SECURITY: a secret. It belongs in sealed records only, and in the sealed cookie of a sign-in that began while the store was down.
 */
export type DpopKey = string;

/** The public key, with its members in the order that a thumbprint needs (RFC 7638, section 3.3). */
type PublicJwk = { readonly crv: 'P-256'; readonly kty: 'EC'; readonly x: string; readonly y: string };

/** A {@link DpopKey} that can sign. */
export type ImportedDpopKey = { readonly privateKey: KeyObject; readonly publicJwk: PublicJwk };

const COORDINATE_BYTES = 32;

export function createDpopKey(): DpopKey {
  const { d } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  if (d === undefined) throw new Error('cannot export a new EC key as a JWK');
  return d;
}

/** Imports a key. Throws for a text that is no private key of the curve. */
export function importDpopKey(key: DpopKey): ImportedDpopKey {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(key, 'base64url');
  // An uncompressed point: 0x04, x, y (SEC 1, section 2.3.3).
  const point = ecdh.getPublicKey();
  const publicJwk: PublicJwk = {
    crv: 'P-256',
    kty: 'EC',
    x: point.toString('base64url', 1, 1 + COORDINATE_BYTES),
    y: point.toString('base64url', 1 + COORDINATE_BYTES),
  };
  return { privateKey: createPrivateKey({ format: 'jwk', key: { ...publicJwk, d: key } }), publicJwk };
}

/** The SHA-256 thumbprint of the public key (RFC 7638), base64url: `dpop_jkt` (RFC 9449, section 10). */
export function dpopThumbprint({ publicJwk: { crv, kty, x, y } }: ImportedDpopKey): string {
  return hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
}
