import { createHash, createPublicKey } from 'node:crypto';
import { compactDecrypt, errors, SignJWT, type JSONWebKeySet, type JWK, type JWTPayload } from 'jose';
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
  /**
   * Decrypts a JWE with the key that it names, or with the first of its kind, and returns the text inside (RFC 7516). Throws a
   * JOSEError.
   */
  decrypt(token: string): Promise<string>;
  /** The public parts of all keys (RFC 7517, section 5). */
  jwks(): JSONWebKeySet;
  /** Replaces the keys. */
  replace(keys: Config['keys']): void;
};

type PublishedKey = { readonly key: IdentifiedKey; readonly jwk: JWK };

/** Creates the keys from those of the configuration. A key without an identifier gets its thumbprint (RFC 7638). */
export function createSigningKeys(configured: Config['keys']): SigningKeys {
  let published = configured.map(publish);
  const first = () => published.find(({ jwk }) => jwk.use === 'sig');

  const current = () => {
    const found = first();
    if (found === undefined) throw new Error('keys is empty; signing needs a key');
    return found.key;
  };

  return {
    canSign: () => first() !== undefined,
    decrypt: (token) => decryptWith(published, token),
    current,
    async sign(claims, { algorithm, type } = {}) {
      const { key, kid, algorithms, algorithm: usual } = current();
      const alg = algorithm ?? usual;
      if (!algorithms.includes(alg)) throw new Error(`the key ${kid} of keys cannot sign with ${alg}`);
      return new SignJWT(claims).setProtectedHeader({ alg, kid, ...(type && { typ: type }) }).sign(key);
    },
    jwks: () => ({ keys: published.map(({ jwk }) => jwk) }),
    replace(keys) {
      published = keys.map(publish);
    },
  };
}

function publish({ key, keyId = key.id, use }: Config['keys'][number]): PublishedKey {
  // SECURITY: exported from the public key, which has no private member.
  const publicPart: JWK = createPublicKey(key.key).export({ format: 'jwk' });
  const kid = keyId ?? thumbprintOf(publicPart);
  // Without `alg`, the key may sign with any algorithm of its kind (RFC 7517, section 4.4).
  const alg = use === 'sig' && key.algorithms.length === 1 ? { alg: key.algorithm } : {};
  return { key: { ...key, kid }, jwk: { ...publicPart, kid, use, ...alg } };
}

/** RFC 7638, section 3: the required members, which are those that Node.js exports, in lexicographic order. */
function thumbprintOf(publicPart: JWK): string {
  const members = JSON.stringify(publicPart, Object.keys(publicPart).toSorted());
  return createHash('sha256').update(members).digest('base64url');
}

/** RFC 7518, section 4.1. Not RSA1_5, which lets an attacker decrypt by observing responses alone. */
const keyManagementAlgorithms = [
  'RSA-OAEP',
  'RSA-OAEP-256',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A192KW',
  'ECDH-ES+A256KW',
];

async function decryptWith(published: readonly PublishedKey[], token: string): Promise<string> {
  const { plaintext } = await compactDecrypt(
    token,
    ({ alg, kid, zip }) => {
      // SECURITY: a small token must not become a large one.
      if (zip !== undefined) throw new errors.JOSENotSupported('a compressed token is not accepted');
      const kty = alg.startsWith('RSA') ? 'RSA' : 'EC';
      const usable = published.filter(({ jwk }) => jwk.use === 'enc' && jwk.kty === kty);
      const found = kid === undefined ? usable[0] : usable.find(({ key }) => key.kid === kid);
      if (found === undefined) throw new errors.JWKSNoMatchingKey('none of keys can decrypt the token');
      return found.key.key;
    },
    { keyManagementAlgorithms },
  );
  return new TextDecoder().decode(plaintext);
}
