import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { Endpoints } from '../../testkit/providers/endpoint-server.ts';
import type { Mint } from '../../testkit/providers/fake-token-issuer.ts';

/** Access tokens that the demo's API can verify, for a fake token server. */
export interface AccessTokens {
  /** Creates JWTs (RFC 9068) as access tokens, and random strings for other secrets. */
  mint(issuer: string): Mint;
  /** Serves the public key, at `/jwks`. */
  endpoints: Endpoints;
}

/** Creates the signing key. */
export function createAccessTokens(options: { audience: string; lifetime: number }): AccessTokens {
  const { audience, lifetime } = options;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const header = { alg: 'RS256', typ: 'at+jwt', kid: 'demo' };
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'demo' }] };

  function createAccessToken(iss: string, sub: string): string {
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss, sub, aud: audience, client_id: 'demo', scope: 'items', jti: randomUUID() };
    const signed = [header, { ...claims, iat, exp: iat + lifetime }].map(encode).join('.');
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  }

  return {
    mint: (issuer) => (kind, subject) =>
      kind === 'access' ? createAccessToken(issuer, subject) : randomUUID(),
    endpoints: { 'GET /jwks': () => ({ status: 200, body: jwks }) },
  };
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
