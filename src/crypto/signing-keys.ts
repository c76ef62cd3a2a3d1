import { createHash, createPublicKey } from 'node:crypto';
import { SignJWT, type JSONWebKeySet, type JWK, type JWTPayload } from 'jose';
import type { Config } from '../config/schema/schema.ts';
import type { SigningAlgorithm, SigningKey } from '../config/values/secrets/private-key.ts';

/** A private key of the gateway, with the `kid` under which its public part is published. */
export type IdentifiedKey = SigningKey & { readonly kid: string };

/** The private keys of the gateway: the first signs, and the public parts of all are published. */
export type SigningKeys = {
  /** True while at least one key is configured. */
  canSign(): boolean;
  /** The key that signs. Throws while no key is configured. */
  current(): IdentifiedKey;
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
  jwks(): JSONWebKeySet;
  /** Replaces the keys. */
  replace(keys: Config['keys']): void;
};

type PublishedKey = { readonly key: IdentifiedKey; readonly jwk: JWK };

/** Creates the keys from those of the configuration. A key without an identifier gets its thumbprint (RFC 7638). */
export function createSigningKeys(configured: Config['keys']): SigningKeys {
  let published = configured.map(publish);

  const current = () => {
    const [first] = published;
    if (first === undefined) throw new Error('keys is empty; signing needs a key');
    return first.key;
  };

  return {
    canSign: () => published.length > 0,
    current,
    async sign(claims, { algorithm, type } = {}) {
      const { key, kid, algorithms, algorithm: usual } = current();
      const alg = algorithm ?? usual;
      if (!algorithms.includes(alg)) throw new Error(`the first of keys cannot sign with ${alg}`);
      return new SignJWT(claims).setProtectedHeader({ alg, kid, ...(type && { typ: type }) }).sign(key);
    },
    jwks: () => ({ keys: published.map(({ jwk }) => jwk) }),
    replace(keys) {
      published = keys.map(publish);
    },
  };
}

function publish({ key, keyId = key.id }: Config['keys'][number]): PublishedKey {
  // SECURITY: exported from the public key, which has no private member.
  const publicPart: JWK = createPublicKey(key.key).export({ format: 'jwk' });
  const kid = keyId ?? thumbprintOf(publicPart);
  // Without `alg`, the key may sign with any algorithm of its kind (RFC 7517, section 4.4).
  const alg = key.algorithms.length === 1 ? { alg: key.algorithm } : {};
  return { key: { ...key, kid }, jwk: { ...publicPart, kid, use: 'sig', ...alg } };
}

/** RFC 7638, section 3: the required members, which are those that Node.js exports, in lexicographic order. */
function thumbprintOf(publicPart: JWK): string {
  const members = JSON.stringify(publicPart, Object.keys(publicPart).toSorted());
  return createHash('sha256').update(members).digest('base64url');
}
