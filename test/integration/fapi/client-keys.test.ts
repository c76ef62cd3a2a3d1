import type { ClientMetadata } from 'oidc-provider';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { LIFE, openFapi } from './fixture.ts';

const registered = (
  alg: NonNullable<ClientMetadata['token_endpoint_auth_signing_alg']>,
  ...keys: unknown[]
) =>
  ({
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: alg,
    jwks: { keys },
  }) as Partial<ClientMetadata>;
const section = { clientAuthentication: 'private_key_jwt' };

describe('private_key_jwt with the first of keys (standards: H6)', () => {
  it.each([
    ['PS256', 'rsa'],
    ['ES256', 'P-256'],
    ['EdDSA', 'ed25519'],
  ] as const)('signs %s with a %s key in PEM', async (alg, kind) => {
    const { agent, signIn, advance, fake } = await openFapi({
      client: registered(alg, publicJwk(kind, { kid: 'key-1' })),
      provider: { ...section, signingAlg: alg },
      config: { keys: [{ key: pem(kind), keyId: 'key-1' }, { key: pem('P-384') }] },
    });
    await signIn();
    advance(LIFE);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    expect(fake.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([false, false]);
  });

  it('goes on with a new key after a reload, without a new sign-in', async () => {
    const { agent, signIn, advance, gateway, real } = await openFapi({
      client: registered('ES256', publicJwk('P-256', { kid: 'old' }), publicJwk('P-256-b', { kid: 'new' })),
      provider: section,
      config: { keys: [{ key: pem('P-256'), keyId: 'old' }] },
    });
    const keyIds: unknown[] = [];
    real.instance.on('grant.success', ({ oidc }) =>
      keyIds.push(decodeProtectedHeader(String(oidc.body?.['client_assertion'])).kid),
    );
    await signIn();
    await gateway.reload({ keys: [{ key: pem('P-256-b'), keyId: 'new' }] });
    advance(LIFE);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(keyIds).toEqual(['old', 'new']);
    expect(gateway.logs()).not.toContain('provider not ready');
  });
});
