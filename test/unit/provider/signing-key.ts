import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';

/** A key of a provider: what it signs with, and what it publishes. */
export type SigningKey = {
  readonly jwk: JWK;
  /** Signs claims, or any text; the header names the key unless it is given otherwise. */
  sign(claims: Record<string, unknown> | string, header?: { [name: string]: unknown }): Promise<string>;
};

/** Makes a key; two may have one name. */
export async function createSigningKey(kid: string, alg = 'ES256'): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
    sign: (claims, header) => {
      const text = typeof claims === 'string' ? claims : JSON.stringify(claims);
      const token = new CompactSign(new TextEncoder().encode(text));
      return token.setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
    },
  };
}
