import type { RequestHandler } from 'express';
import type { SigningKeys } from '../crypto/signing-keys.ts';

/** `GET /jwks.json`: the public keys of the gateway (RFC 7517, section 5), for a provider or an upstream. */
export function createJwks({ signingKeys }: { signingKeys: Pick<SigningKeys, 'jwks'> }): RequestHandler {
  return function jwks(_request, response) {
    const keySet = JSON.stringify(signingKeys.jwks());
    response.setHeader('Content-Type', 'application/jwk-set+json');
    response.end(keySet);
  };
}
