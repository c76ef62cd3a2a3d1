import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { createIdentityTokens } from '../../../src/access/identity-tokens.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { createSigningKeys } from '../../../src/crypto/signing-keys.ts';
import type { SessionView } from '../../../src/sessions/session.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { keys: configured } = parseConfig({
  baseUrl: 'http://localhost:3000',
  provider: { type: 'oidc', issuer: 'https://login.example', clientId: 'web', clientSecret: 'secret' },
  session: { store: 'memory:', secrets: ['a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c'] },
  keys: [{ key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }],
});
const keys = createSigningKeys(configured);

function session(claims: Record<string, unknown>, version = 1, key = 'key'): SessionView {
  const data = { issuer: 'https://login.example.com', tokens: { access: {} }, claims };
  return {
    key,
    data,
    version,
    idleExpiresAtMs: 0,
    endsAtMs: 0,
    isLimitedByProvider: false,
    isRenewable: true,
  };
}

function open(sign: typeof keys.sign = keys.sign) {
  let nowMs = Date.parse('2026-01-15T12:00:00.900Z');
  let signed = 0;
  const tokens = createIdentityTokens(
    {
      header: 'X-Identity',
      audience: 'https://api.internal',
      claims: ['sub', 'groups', 'missing'],
      lifetime: 60_000,
    },
    {
      issuer: 'https://app.example.com',
      keys: {
        sign: (...args) => {
          signed += 1;
          return sign(...args);
        },
      },
      clock: () => nowMs,
    },
  );
  return { tokens, signed: () => signed, now: () => nowMs, advance: (ms: number) => (nowMs += ms) };
}

describe('an identity JWT', () => {
  it('names the user to its audience, and verifies with the published keys', async () => {
    const { tokens, now } = open();
    const token = await tokens(session({ sub: 'alice', groups: ['a'], email: 'alice@example.test' }));
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(keys.jwks()), {
      issuer: 'https://app.example.com',
      audience: 'https://api.internal',
      currentDate: new Date(now()),
    });
    const iat = Math.floor(now() / 1000);
    expect(payload).toEqual({
      iss: 'https://app.example.com',
      aud: 'https://api.internal',
      sub: 'alice',
      groups: ['a'],
      iat,
      exp: iat + 60,
    });
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) });
  });

  it('leaves out a claim that the provider replaced by a reference', async () => {
    const claims = { sub: 'alice', groups: [], _claim_names: { groups: 'src1' } };
    const payload = (await open().tokens(session(claims))).split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).not.toHaveProperty('groups');
  });

  it('is used for three quarters of its life, also by concurrent requests', async () => {
    const { tokens, signed, advance } = open();
    const [first] = await Promise.all([tokens(session({ sub: 'a' })), tokens(session({ sub: 'a' }))]);
    advance(44_999);
    expect(await tokens(session({ sub: 'a' }))).toBe(first);
    expect(signed()).toBe(1);
    advance(1);
    expect(await tokens(session({ sub: 'a' }))).not.toBe(first);
    expect(signed()).toBe(2);
  });

  it('is signed anew after a failure', async () => {
    let fails = true;
    const { tokens } = open(async () => {
      if (fails) throw new Error('no signature');
      return 'a token';
    });
    await expect(tokens(session({ sub: 'a' }))).rejects.toThrow('no signature');
    fails = false;
    expect(await tokens(session({ sub: 'a' }))).toBe('a token');
  });

  it('is signed anew once the session has changed, and for every session', async () => {
    const { tokens, signed } = open();
    await tokens(session({ sub: 'a' }));
    await tokens(session({ sub: 'a', groups: ['new'] }, 2));
    await tokens(session({ sub: 'b' }, 1, 'another'));
    expect(signed()).toBe(3);
  });

  it('is kept as long as all tokens of the route together take at most 16 MiB', async () => {
    const { tokens, signed } = open(() => Promise.resolve('a token'));
    const large = (name: string) => session({ sub: name, groups: ['x'.repeat(3_000_000)] }, 1, name);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'd', 'e']) await tokens(large(name));
    expect(signed()).toBe(5);
    await tokens(large('a'));
    expect(signed()).toBe(6);
  });
});
