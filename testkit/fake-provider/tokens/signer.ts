import {
  type CryptoKey,
  type JSONWebKeySet,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
  calculateJwkThumbprint,
  compactVerify,
  exportJWK,
  exportSPKI,
  generateKeyPair,
} from 'jose';

/**
 * How ID tokens are signed: correctly (`RS256`), not at all (`none`), by HMAC keyed with the public key
 * (`HS256`: the algorithm confusion of RFC 8725, section 2.1), or by a key that is not published (`other-key`).
 */
export type IdTokenSignature = 'RS256' | 'none' | 'HS256' | 'other-key';

/** The keys of the fake provider. */
export type Signer = {
  /** The public keys, as published. */
  jwks(): JSONWebKeySet;
  /** Signs claims with the current key. */
  sign(claims: JWTPayload, typ?: string): Promise<string>;
  /** Signs the claims of an ID token as chosen last. */
  signIdToken(claims: JWTPayload): Promise<string>;
  /** Chooses how ID tokens are signed from now on; at first it is `RS256`. */
  signIdTokensWith(how: IdTokenSignature): void;
  /**
   * The claims of a token signed with a current or former key, whatever its lifetime.
   *
   * @throws Error when the signature is wrong.
   */
  verify(token: string): Promise<JWTPayload>;
  /** Creates a new signing key and publishes only that one. */
  swapKeys(): Promise<void>;
};

type SigningKey = { kid: string; privateKey: CryptoKey; publicKey: CryptoKey };

/** Creates a signer with a new RS256 key. */
export async function createSigner(): Promise<Signer> {
  let current = await createKey();
  let published = await publish(current);
  const known = [current];
  let idTokenSignature: IdTokenSignature = 'RS256';

  const signWith = (key: SigningKey, claims: JWTPayload, typ: string, kid = key.kid) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, typ }).sign(key.privateKey);

  return {
    jwks: () => published,
    sign: (claims, typ = 'JWT') => signWith(current, claims, typ),
    signIdTokensWith: (how) => {
      idTokenSignature = how;
    },
    signIdToken: async (claims) => {
      switch (idTokenSignature) {
        case 'RS256':
          return signWith(current, claims, 'JWT');
        case 'none':
          return new UnsecuredJWT(claims).encode();
        case 'HS256': {
          const secret = new TextEncoder().encode(await exportSPKI(current.publicKey));
          return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: current.kid }).sign(secret);
        }
        case 'other-key':
          return signWith(await createKey(), claims, 'JWT', current.kid);
      }
    },
    verify: async (token) => {
      const { payload } = await compactVerify(token, ({ kid }) => {
        const key = known.find((candidate) => candidate.kid === kid);
        if (key === undefined) throw new Error(`no key has the id ${kid}`);
        return key.publicKey;
      });
      return JSON.parse(new TextDecoder().decode(payload)) as JWTPayload;
    },
    swapKeys: async () => {
      current = await createKey();
      published = await publish(current);
      known.push(current);
    },
  };
}

async function createKey(): Promise<SigningKey> {
  const pair = await generateKeyPair('RS256', { extractable: true });
  return { ...pair, kid: await calculateJwkThumbprint(await exportJWK(pair.publicKey)) };
}

async function publish({ kid, publicKey }: SigningKey): Promise<JSONWebKeySet> {
  return { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }] };
}
