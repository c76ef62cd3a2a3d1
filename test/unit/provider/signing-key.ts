import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';

/** A signing key of a provider with its public JWK. */
export type SigningKey = {
  readonly jwk: JWK;
  /** Signs claims, or any text; by default the header names the key. */
  sign(claims: Record<string, unknown> | string, header?: { [name: string]: unknown }): Promise<string>;
};

/** Creates a key; two keys may have the same id. */
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
