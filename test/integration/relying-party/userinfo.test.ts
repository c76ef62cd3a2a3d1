import { afterEach, describe, expect, it } from 'vitest';
import { createKey } from './signing.ts';
import { type Fixture, openFixture } from './fixture.ts';

let fixture: Fixture;

afterEach(() => fixture.close());

/** A gateway whose provider puts no name into ID tokens. */
async function open(userinfo?: 'auto' | 'login' | 'never', claims?: readonly string[]): Promise<void> {
  fixture = await openFixture({
    config: {
      ...(userinfo && { provider: { userinfo } }),
      session: { claims: claims ?? ['sub', 'name', 'nickname'] },
    },
  });
  fixture.provider.patchIdToken = (given) => ({ ...given, name: undefined });
  fixture.provider.patchUserinfo = (given) => ({ ...given, nickname: 'Al', iss: 'https://other.example' });
}

const calls = () => fixture.provider.requests.filter(({ endpoint }) => endpoint === 'userinfo').length;
const session = async () => (await fixture.agent.fetch('/auth/session')).json();

describe('provider.userinfo (standards: C19)', () => {
  it('adds the claims that the ID token lacks, and keeps them over refreshes', async () => {
    await open();
    await fixture.expectLogin();
    const claims = { sub: 'alice', name: 'Alice Example', nickname: 'Al' };
    expect(await session()).toMatchObject({ claims });
    fixture.advance(301_000);
    expect((await fixture.agent.fetch('/api/two')).status).toBe(200);
    expect(await session()).toMatchObject({ claims });
    expect(calls()).toBe(1);
  });

  it('never replaces a claim of the ID token', async () => {
    await open('login', ['sub', 'name', 'email']);
    fixture.provider.patchIdToken = (given) => ({ ...given, name: 'Signed' });
    fixture.provider.patchUserinfo = (given) => ({ ...given, name: 'Unsigned' });
    await fixture.expectLogin();
    expect(await session()).toMatchObject({ claims: { name: 'Signed' } });
    expect(calls()).toBe(1);
  });

  it.each([
    ['auto, when the ID token has all claims of sessions', 'auto', ['sub', 'email']],
    ['never', 'never', ['sub', 'name']],
  ] as const)('makes no request with %s', async (_what, userinfo, claims) => {
    await open(userinfo, claims);
    await fixture.expectLogin();
    expect(calls()).toBe(0);
  });

  it.each(['auto', 'login'] as const)(
    'rejects a response about another user, and revokes the tokens, with %s',
    async (userinfo) => {
      await open(userinfo);
      fixture.provider.patchUserinfo = (given) => ({ ...given, sub: 'mallory' });
      const response = await fixture.login();
      expect(response.json()).toMatchObject({
        status: 400,
        code: 'login_failed',
        reason: expect.stringContaining('different user'),
      });
      expect(await session()).toMatchObject({ authenticated: false });
      await expect
        .poll(() => fixture.provider.families, { timeout: 20_000 })
        .toMatchObject([{ endedBecause: 'revoked' }]);
    },
  );

  it.each([
    ['503', { status: 503 }, 503],
    ['403', { status: 403 }, 400],
    ['a list', { status: 200, headers: { 'content-type': 'application/json' }, body: '[]' }, 400],
    ['a page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, 400],
    [
      'an unverifiable JWT',
      { status: 200, headers: { 'content-type': 'application/jwt' }, body: 'a.b.c' },
      400,
    ],
  ] as const)(
    'is optional with auto and required with login when the response is %s',
    async (_what, fault, status) => {
      await open('auto');
      fixture.provider.faults.userinfo = fault;
      await fixture.expectLogin();
      expect(fixture.gateway.logs()).toContain('cannot read the userinfo response');
      await fixture.close();
      await open('login');
      fixture.provider.faults.userinfo = fault;
      expect((await fixture.login()).status).toBe(status);
      expect(await session()).toMatchObject({ authenticated: false });
    },
  );

  it('verifies a signed response', async () => {
    await open('login');
    const key = createKey('RS256', 'userinfo');
    const claims = { iss: fixture.provider.issuer, aud: 'web', sub: 'alice', nickname: 'Signed Al' };
    const respond = (token: string) => {
      fixture.provider.faults.userinfo = {
        status: 200,
        headers: { 'content-type': 'application/jwt' },
        body: token,
      };
    };
    fixture.mint((given) => key.sign({ ...given, name: undefined }));
    fixture.publish(key.jwk);
    respond(key.sign(claims));
    await fixture.expectLogin();
    expect(await session()).toMatchObject({ claims: { nickname: 'Signed Al' } });
    for (const wrong of [
      createKey('RS256', 'userinfo').sign(claims),
      key.sign({ ...claims, aud: 'other' }),
      key.sign({ ...claims, iss: 'https://other.example' }),
    ]) {
      respond(wrong);
      expect((await fixture.login()).status).toBe(400);
    }
  });
});
