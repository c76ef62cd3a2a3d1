import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { expect, it } from 'vitest';
import { createAccessTokenVerifier } from '../../../../src/provider/bearer/access-token-verifier.ts';

const issuer = 'https://login.example';
const accepted = { issuers: [issuer], audience: 'api' };
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const verifier = async (jwksUri = `${issuer}/jwks`) => {
  const jwk = { ...(await exportJWK(publicKey)), kid: 'key', alg: 'ES256', use: 'sig' };
  const metadata = { issuer, jwks_uri: jwksUri, authorization_endpoint: `${issuer}/authorize` };
  return createAccessTokenVerifier({
    fetch: (url) => Promise.resolve(Response.json(url.endsWith('/jwks') ? { keys: [jwk] } : metadata)),
    timeoutMs: 1_000,
    clock: Date.now,
  });
};
const tokenWith = (claims: Record<string, unknown>) =>
  new SignJWT({ sub: 'machine', ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'key', typ: 'at+jwt' })
    .setIssuer(issuer)
    .setAudience(accepted.audience)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey);

it('a verified access token is remembered, unless the remembered tokens together exceed 4 MiB', async () => {
  const { verify } = await verifier();
  const claimsOf = async (token: string) => {
    const verdict = await verify(token, accepted);
    return verdict.kind === 'valid' ? verdict.claims : verdict;
  };
  const names = ['a', 'b', 'c'];
  const tokens = await Promise.all(names.map((name) => tokenWith({ name, note: 'x'.repeat(1_200_000) })));
  const [first = '', , last = ''] = tokens;

  const before = [];
  for (const token of tokens) before.push(await claimsOf(token));
  expect(before).toMatchObject(names.map((name) => ({ name })));
  expect(await claimsOf(last)).toBe(before[2]);
  expect(await claimsOf(first)).not.toBe(before[0]);
});

it('an issuer over https has no keys over plain http', async () => {
  const { verify } = await verifier('http://login.example/jwks');
  expect(await verify(await tokenWith({}), accepted)).toMatchObject({ kind: 'unavailable' });
});
