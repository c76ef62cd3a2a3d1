import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A pair of tokens as issued. */
export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  /** The lifetime of the access token, in seconds. */
  lifetime: number;
  /** The subject of the tokens. */
  subject: string;
}

/** Issues access tokens and single-use refresh tokens. */
export interface FakeTokenIssuer {
  /** Issues the first tokens of a sign-in. */
  open(subject: string): Promise<TokenPair>;
  /** Spends a refresh token and returns the next pair; undefined when the token is not valid. */
  spend(refreshToken: string): Promise<TokenPair | undefined>;
  /** Revokes a refresh token. */
  revoke(refreshToken: string): void;
  /** The subject of an access token; undefined for an unknown one. */
  subjectOf(accessToken: string): string | undefined;
  /** The keys that access tokens are signed with, as a JWK Set. */
  keys: { keys: object[] };
}

/** Creates the issuer. Access tokens are JWTs (RFC 9068) for one API. */
export async function createFakeTokenIssuer(options: {
  issuer: string;
  audience: string;
  lifetime: number;
}): Promise<FakeTokenIssuer> {
  const { issuer, audience, lifetime } = options;
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const key = { ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig', kid: 'demo' };
  const refreshTokens = new Map<string, string>();
  const accessTokens = new Map<string, string>();

  async function issue(subject: string): Promise<TokenPair> {
    const accessToken = await new SignJWT({ client_id: 'demo', scope: 'items' })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'demo' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${lifetime}s`)
      .sign(privateKey);
    const refreshToken = randomUUID();
    refreshTokens.set(refreshToken, subject);
    accessTokens.set(accessToken, subject);
    return { accessToken, refreshToken, lifetime, subject };
  }

  return {
    open: issue,
    async spend(refreshToken) {
      const subject = refreshTokens.get(refreshToken);
      refreshTokens.delete(refreshToken);
      return subject === undefined ? undefined : issue(subject);
    },
    revoke: (refreshToken) => void refreshTokens.delete(refreshToken),
    subjectOf: (accessToken) => accessTokens.get(accessToken),
    keys: { keys: [key] },
  };
}
