import type { KeyObject } from 'node:crypto';
import * as client from 'openid-client';
import type { SigningAlgorithm } from '../../config/values/secrets/private-key.ts';
import type { SigningKeys } from '../../crypto/signing-keys.ts';
import type { ClientConfig } from './keys.ts';

/**
 * Client authentication as configured: `client_secret_basic`, `client_secret_post` (RFC 6749, section 2.3.1),
 * `private_key_jwt` (RFC 7523, section 2.2; OpenID Connect Core, section 9), a client certificate of the connection (RFC 8705,
 * section 2), or `none` for a public client.
 */
export function createClientAuthentication(
  config: ClientConfig,
  signingKeys: Pick<SigningKeys, 'current'>,
): client.ClientAuth {
  const { clientAuthentication, clientSecret } = config;
  switch (clientAuthentication) {
    case 'client_secret_basic':
      return client.ClientSecretBasic(clientSecret);
    case 'client_secret_post':
      return client.ClientSecretPost(clientSecret);
    case 'none':
      return client.None();
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return client.TlsClientAuth();
    case 'private_key_jwt':
      return createAssertions(config, signingKeys);
  }
}

function createAssertions(
  { privateKey, keyId, signingAlg, assertionAudience = 'issuer' }: ClientConfig,
  signingKeys: Pick<SigningKeys, 'current'>,
): client.ClientAuth {
  const configured = privateKey && { ...privateKey, kid: keyId ?? privateKey.id };
  return (server, ...request) => {
    // A reload may have replaced the first of `keys`.
    const key = configured ?? signingKeys.current();
    const algorithm = signingAlg ?? key.algorithm;
    return client.PrivateKeyJwt(toPrivateKey(key, algorithm), {
      [client.modifyAssertion](header, payload) {
        // openid-client 6.8 says "Ed25519" (RFC 9864); older providers know "EdDSA" only.
        header['alg'] = algorithm;
        // A provider whose clock is behind would reject it as not yet valid (RFC 7523, section 3, item 5: optional).
        delete payload['nbf'];
        // SECURITY: one audience, so that no other server can use the assertion (draft-ietf-oauth-rfc7523bis).
        payload['aud'] = assertionAudience === 'issuer' ? server.issuer : server.token_endpoint;
      },
    })(server, ...request);
  };
}

/** The key for openid-client, with its identifier if it has one. */
export function toPrivateKey(
  { key, kid }: { readonly key: KeyObject; readonly kid?: string | undefined },
  algorithm: SigningAlgorithm,
): client.PrivateKey {
  const imported = importKey(key, algorithm);
  return kid === undefined ? { key: imported } : { key: imported, kid };
}

/** The key as a WebCrypto key, which is bound to its algorithm. */
function importKey(key: KeyObject, algorithm: SigningAlgorithm): CryptoKey {
  // @types/node 24 and the DOM's types, which openid-client uses, declare the same class differently.
  const imported: unknown = key.toCryptoKey(parametersOf(algorithm), false, ['sign']);
  if (imported instanceof CryptoKey) return imported;
  throw new Error('cannot import the private key as a CryptoKey');
}

function parametersOf(algorithm: SigningAlgorithm): Parameters<KeyObject['toCryptoKey']>[0] {
  const hash = `SHA-${algorithm.slice(2)}`;
  switch (algorithm) {
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return { name: 'RSASSA-PKCS1-v1_5', hash };
    case 'PS256':
    case 'PS384':
    case 'PS512':
      return { name: 'RSA-PSS', hash };
    case 'ES256':
      return { name: 'ECDSA', namedCurve: 'P-256' };
    case 'ES384':
      return { name: 'ECDSA', namedCurve: 'P-384' };
    case 'ES512':
      return { name: 'ECDSA', namedCurve: 'P-521' };
    case 'EdDSA':
    case 'Ed25519':
      return { name: 'Ed25519' };
  }
}
