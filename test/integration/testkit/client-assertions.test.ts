import { type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settingsWith } from '../../../testkit/fake-provider/settings.ts';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { privateKeys, publicJwk } from '../../unit/config/keys.ts';

let provider: FakeProvider;

beforeEach(async () => {
  const { client } = settingsWith({});
  const keys = [publicJwk('P-256', { kid: 'key-1' })];
  provider = await startFakeProvider({ client: { ...client, authentication: 'private_key_jwt', keys } });
});

afterEach(() => provider.close());

type Assertion = { claims?: JWTPayload; header?: Partial<JWTHeaderParameters>; kind?: string };

/** A valid assertion with the given changes. */
async function assertion({ claims, header, kind = 'P-256' }: Assertion = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const good = { iss: 'web', sub: 'web', aud: provider.issuer, jti: 'one', iat: now, exp: now + 60 };
  const key = privateKeys[kind]?.();
  if (key === undefined) throw new Error(`there is no key ${kind}`);
  return new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: 'ES256', ...header }).sign(key);
}

/** Revokes an unknown token, to which the provider responds with 200 once the client is authenticated. */
async function revoke(form: Record<string, string>): Promise<number> {
  const body = new URLSearchParams({ token: 'unknown', ...form });
  return (await fetch(`${provider.issuer}/revoke`, { method: 'POST', body })).status;
}

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const prove = (text: string, form: Record<string, string> = {}) =>
  revoke({ client_id: 'web', client_assertion_type: TYPE, client_assertion: text, ...form });

describe('a client assertion at the fake provider', () => {
  it('is accepted once', async () => {
    const once = await assertion();
    expect(await prove(once)).toBe(200);
    expect(await prove(once)).toBe(401);
  });

  const later = Math.floor(Date.now() / 1000) + 3600;
  it.each<[string, Assertion]>([
    ['for another audience', { claims: { aud: 'https://other.example.test' } }],
    ['for the token endpoint', { claims: { aud: 'TOKEN' } }],
    ['from another client', { claims: { iss: 'other', sub: 'other' } }],
    ['about another subject', { claims: { sub: 'other' } }],
    ['valid for an hour', { claims: { exp: later } }],
    ['expired', { claims: { exp: later - 7200 } }],
    ['signed by another key', { kind: 'ed25519', header: { alg: 'EdDSA' } }],
    ['with an unknown kid', { header: { kid: 'key-2' } }],
  ])('is rejected when it is %s', async (_what, given) => {
    const aud = given.claims?.aud === 'TOKEN' ? { aud: `${provider.issuer}/token` } : {};
    expect(await prove(await assertion({ ...given, claims: { ...given.claims, ...aud } }))).toBe(401);
  });

  it('is rejected when it names several audiences including the right one', async () => {
    const aud = [provider.issuer, `${provider.issuer}/token`];
    expect(await prove(await assertion({ claims: { aud } }))).toBe(401);
  });

  it('is rejected together with a secret, for another client and with another type', async () => {
    const { secret } = provider.client;
    expect(await prove(await assertion(), { client_secret: secret })).toBe(400);
    expect(await prove(await assertion(), { client_id: 'other' })).toBe(401);
    expect(await prove(await assertion(), { client_assertion_type: 'other' })).toBe(401);
    expect(await revoke({ client_id: 'web', client_secret: secret })).toBe(401);
  });
});
