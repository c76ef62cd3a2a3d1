import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';

/** A private key of each kind that a test needs; made once, since RSA keys take their time. */
export const privateKeys: Record<string, () => KeyObject> = {
  rsa: once(() => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
  'short rsa': once(() => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
  'P-256': once(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  'P-256-b': once(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  'P-384': once(() => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey),
  'P-521': once(() => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey),
  secp256k1: once(() => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
  ed25519: once(() => generateKeyPairSync('ed25519').privateKey),
  x25519: once(() => generateKeyPairSync('x25519').privateKey),
};

/** The kinds of key that sign, with the algorithm of each. */
export const signingKinds = [
  ['rsa', 'RS256'],
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
  ['ed25519', 'EdDSA'],
] as const;

/** The private key of a kind, as PKCS#8 in PEM. */
export function pem(kind: string): string {
  return String(privateKeys[kind]?.().export({ format: 'pem', type: 'pkcs8' }));
}

/** The private key of a kind as a JWK, with further members. */
export function jwk(kind: string, members: Record<string, string> = {}): string {
  return JSON.stringify({ ...privateKeys[kind]?.().export({ format: 'jwk' }), ...members });
}

/** The public half of a key as a JWK, with further members. */
export function publicJwk(kind: string, members: Record<string, string> = {}): JWK {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = JSON.parse(jwk(kind)) as JWK;
  return { ...open, ...members };
}

function once(make: () => KeyObject): () => KeyObject {
  let made: KeyObject | undefined;
  return () => (made ??= make());
}
