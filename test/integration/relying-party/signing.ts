import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import type { JWTPayload } from 'jose';

/** A signing key of a provider; `jwk` is its public form. */
export type SigningKey = {
  readonly jwk: JsonWebKey;
  /** Signs any text as the claims of a JWT, with any header. */
  sign(claims: string | JWTPayload, header?: Record<string, unknown>): string;
};

/** Creates a key for RS256 or ES256, without a key id unless one is given. */
export function createKey(alg: 'RS256' | 'ES256', kid?: string): SigningKey {
  const privateKey = generate(alg);
  const published = createPublicKey(privateKey).export({ format: 'jwk' });
  return {
    jwk: { ...published, alg, use: 'sig', ...(kid !== undefined && { kid }) },
    sign: (claims, header) => {
      const unsigned = unsignedJwt(claims, { alg, ...(kid !== undefined && { kid }), ...header });
      const signature = sign('sha256', Buffer.from(unsigned), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${unsigned}.${signature.toString('base64url')}`;
    },
  };
}

/** Signs claims by HMAC (HS256) with a text as its key. */
export function signByHmac(claims: string | JWTPayload, secret: string, header = {}): string {
  const unsigned = unsignedJwt(claims, { alg: 'HS256', ...header });
  return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
}

/** Header and claims of a JWT, without a signature. */
export function unsignedJwt(claims: string | JWTPayload, header: Record<string, unknown>): string {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims);
  return [JSON.stringify(header), text].map((part) => Buffer.from(part).toString('base64url')).join('.');
}

/** The claims of a JWT, unverified. */
export function claimsOf(token: unknown): JWTPayload {
  const [, payload = ''] = String(token).split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload;
}

function generate(alg: 'RS256' | 'ES256'): KeyObject {
  return alg === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}
