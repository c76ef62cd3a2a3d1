import type { ClientMetadata } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { pem, publicJwk } from '../../unit/config/keys.ts';
import { LIFE, openFapi } from './fixture.ts';

const open = (alg: string, kind: string, configured = kind) =>
  openFapi({
    client: {
      id_token_encrypted_response_alg: alg as NonNullable<ClientMetadata['id_token_encrypted_response_alg']>,
      id_token_encrypted_response_enc: 'A256GCM',
      jwks: { keys: [publicJwk(kind, { kid: 'key-2', use: 'enc' })] },
    },
    provider: { clientSecret: 'canary-client-secret-of-the-real-provider' },
    config: {
      keys: [
        { key: pem('ed25519'), keyId: 'key-1' },
        { key: pem(configured), keyId: 'key-2', use: 'enc' },
      ],
    },
    options: {
      configuration: {
        features: { encryption: { enabled: true } },
        enabledJWA: {
          idTokenEncryptionAlgValues: ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW'],
          idTokenEncryptionEncValues: ['A256GCM'],
        },
      },
    },
  });

describe('an encrypted ID token', () => {
  it.each([
    ['RSA-OAEP-256', 'rsa'],
    ['RSA-OAEP', 'rsa'],
    ['ECDH-ES', 'P-256'],
    ['ECDH-ES+A128KW', 'P-256'],
  ])('with %s is decrypted with a %s key of the gateway, at sign-in and refresh', async (alg, kind) => {
    const { agent, signIn, advance, fake, gateway } = await open(alg, kind);
    await signIn();
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    advance(LIFE);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    expect(gateway.logs()).not.toContain('cannot verify a refreshed ID token');
    const signOut = (await agent.fetch('/auth/logout', { method: 'POST' })).json();
    expect(signOut).toMatchObject({ logoutUrl: expect.stringContaining('/session/end') });
  });

  it('that no key decrypts ends the sign-in, and the tokens are revoked', async () => {
    const { agent, fake, gateway } = await open('ECDH-ES', 'P-256', 'P-256-b');
    await agent.navigate('/auth/login');
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
    expect(gateway.logs()).toContain('none of keys can decrypt the ID token');
    await expect.poll(() => fake.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([false]);
  });

  it('that no key decrypts at a refresh leaves the session with its claims', async () => {
    const { agent, signIn, advance, gateway } = await open('ECDH-ES', 'P-256');
    await signIn();
    await gateway.reload({ keys: [{ key: pem('P-256-b'), keyId: 'key-2', use: 'enc' }] });
    advance(LIFE);
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect(gateway.logs()).toContain('cannot verify a refreshed ID token');
  });
});
