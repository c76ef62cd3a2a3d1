import { calculateJwkThumbprint } from 'jose';
import { expect, it } from 'vitest';
import { createProofVerifier } from '../../../testkit/dpop/proof-verifier.ts';
import { requireProof } from '../../../testkit/dpop/protected-upstream.ts';
import { readyConfiguration } from '../../../testkit/providers/ready-configuration.ts';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { authority, LIFE, openFapi, strictProvider } from './fixture.ts';

const baseUrl = 'https://app.example.test';
const { provider, keys } = readyConfiguration('fapi2', {
  ISSUER: 'https://login.example.test',
  CLIENT_ID: 'web',
  CLIENT_KEY: pem('P-256'),
  ID_TOKEN_ALG: 'ES256',
});
const client = {
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  id_token_signed_response_alg: 'ES256',
  authorization_signed_response_alg: 'ES256',
  dpop_bound_access_tokens: true,
  // As the gateway publishes it.
  jwks: { keys: [publicJwk('P-256', { kid: await calculateJwkThumbprint(publicJwk('P-256')) })] },
} as const;

it('config/providers/fapi2.yaml signs in, calls an API, refreshes and signs out (standards: H11)', async () => {
  const { issuer: _issuer, clientId: _clientId, type: _type, ...section } = provider;
  let aheadMs = 0;
  const { agent, signIn, advance, fake, real, upstream } = await openFapi({
    client,
    provider: { ...section, tls: { ca: authority.certificate } },
    config: { keys },
    options: strictProvider,
    baseUrl,
  });
  const verifier = createProofVerifier({ clock: () => Date.now() + aheadMs });
  upstream.respond(
    requireProof({
      origin: upstream.url,
      verifier,
      thumbprintOf: async (token) => (await real.instance.AccessToken.find(token))?.jkt,
    }),
  );
  await signIn();
  expect((await agent.fetch('/api/one')).status).toBe(200);
  aheadMs = LIFE;
  advance(aheadMs);
  expect((await agent.fetch('/api/one')).status).toBe(200);
  expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  expect(new Set(verifier.thumbprints).size).toBe(1);
  expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
  expect(fake.tokenLedger().every(({ familyAlive }) => !familyAlive)).toBe(true);
});
