import { createPublicKey } from 'node:crypto';
import { calculateJwkThumbprint, SignJWT, type JSONWebKeySet, type JWK, type JWTPayload } from 'jose';
import type { Config } from '../config/schema/schema.ts';
import type { SigningAlgorithm, SigningKey } from '../config/values/secrets/private-key.ts';

/** A private key of the gateway, with the `kid` under which its public part is published. */
export type IdentifiedKey = SigningKey & { readonly kid: string };

/** The private keys of the gateway: the first signs, and the public parts of all are published. */
export type SigningKeys = {
  /** True while at least one key is configured. */
  canSign(): boolean;
  /** The key that signs. Throws while no key is configured. */
  current(): Promise<IdentifiedKey>;
  /**
   * Signs a JWT with the current key.
   *
   * @param header.algorithm - by default that of the key. Throws when the key cannot sign with it.
   * @param header.type - the `typ` of the header (RFC 8725, section 3.11).
   */
  sign(
    claims: JWTPayload,
    header?: { algorithm?: SigningAlgorithm | undefined; type?: string | undefined },
  ): Promise<string>;
  /** The public parts of all keys (RFC 7517, section 5). */
  jwks(): Promise<JSONWebKeySet>;
  /** Replaces the keys. */
  replace(keys: Config['keys']): void;
};

type PublishedKey = { readonly key: IdentifiedKey; readonly jwk: JWK };

/** Creates the keys from those of the configuration. A key without an identifier gets its thumbprint (RFC 7638). */
export function createSigningKeys(configured: Config['keys']): SigningKeys {
  let isConfigured = false;
  let published: Promise<readonly PublishedKey[]>;
  const replace = (keys: Config['keys']) => {
    isConfigured = keys.length > 0;
    published = Promise.all(keys.map(publish));
  };
  replace(configured);

  const current = async () => {
    const [first] = await published;
    if (first === undefined) throw new Error('keys is empty; signing needs a key');
    return first.key;
  };

  return {
    canSign: () => isConfigured,
    current,
    async sign(claims, { algorithm, type } = {}) {
      const { key, kid, algorithms, algorithm: usual } = await current();
      const alg = algorithm ?? usual;
      if (!algorithms.includes(alg)) throw new Error(`the first of keys cannot sign with ${alg}`);
      return new SignJWT(claims).setProtectedHeader({ alg, kid, ...(type && { typ: type }) }).sign(key);
    },
    jwks: async () => ({ keys: (await published).map(({ jwk }) => jwk) }),
    replace,
  };
}

async function publish({ key, keyId = key.id }: Config['keys'][number]): Promise<PublishedKey> {
  // SECURITY: exported from the public key, which has no private member.
  const publicPart: JWK = createPublicKey(key.key).export({ format: 'jwk' });
  const kid = keyId ?? (await calculateJwkThumbprint(publicPart));
  // Without `alg`, the key may sign with any algorithm of its kind (RFC 7517, section 4.4).
  const alg = key.algorithms.length === 1 ? { alg: key.algorithm } : {};
  return { key: { ...key, kid }, jwk: { ...publicPart, kid, use: 'sig', ...alg } };
}
