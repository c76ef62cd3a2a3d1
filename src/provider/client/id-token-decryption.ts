import type { SigningKeys } from '../../crypto/signing-keys.ts';

type Keys = Pick<SigningKeys, 'decrypt'>;

/**
 * Replaces an encrypted ID token by the signed one inside it (OpenID Connect Core, section 3.1.3.7, item 1), which is also the
 * one that a sign-out names. Throws a JOSEError.
 */
export async function decryptIdToken<Response extends { readonly idToken?: string | undefined }>(
  response: Response,
  keys: Keys,
): Promise<Response> {
  const { idToken } = response;
  if (idToken === undefined || !isEncrypted(idToken)) return response;
  return { ...response, idToken: await keys.decrypt(idToken) };
}

/** A JWE has five parts (RFC 7516, section 9). */
function isEncrypted(token: string): boolean {
  return token.split('.').length === 5;
}
