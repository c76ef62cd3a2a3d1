import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countOccurrences } from '../secrets/count-occurrences.ts';
import type { ProviderKind } from './provider-fake.ts';
import { type ProviderFixture, openProviderFixture } from './provider-fixture.ts';

/** The behaviour in front of every kind of token server, whatever its quirks are. */
export function describeProvider(kind: ProviderKind): void {
  const { lifeMs, rotation } = kind;

  describe(`in front of ${kind.name}`, () => {
    let fixture: ProviderFixture;

    beforeEach(async () => {
      fixture = await openProviderFixture(kind);
      await fixture.signIn();
    });

    afterEach(() => fixture.close());

    const call = (path = '/api/one') => fixture.agent.fetch(path);
    const statusOf = async (path?: string) => (await call(path)).status;
    const session = async () => (await fixture.agent.fetch('/auth/session')).json();
    const bearers = () => fixture.upstream.requests.map(({ bearer = '' }) => bearer);
    const expire = () => fixture.advance(lifeMs);
    const current = () => fixture.fake.tokenLedger().at(-1)?.token ?? '';

    it('signs in, and calls an API with a token that the provider accepts', async () => {
      expect(await session()).toMatchObject({ authenticated: true, subject: expect.stringMatching(/./) });
      expect(await statusOf()).toBe(200);
      expect(bearers().map(fixture.fake.isAccessTokenActive)).toEqual([true]);
      expect(fixture.refreshes()).toBe(0);
    });

    it('never sends an expired access token (standards: A18)', async () => {
      await call();
      expire();
      expect(await statusOf()).toBe(200);
      const [first = '', second = ''] = bearers();
      expect(fixture.upstream.requests).toHaveLength(2);
      expect([first, second].map(fixture.fake.isAccessTokenActive)).toEqual([false, true]);
      expect(fixture.refreshes()).toBe(1);
    });

    it(`refreshes twenty times in a row, with refresh tokens that are ${rotation} (standards: G1)`, async () => {
      const who = await session();
      for (let round = 0; round < 20; round += 1) {
        expire();
        expect(await statusOf()).toBe(200);
      }
      expect(fixture.refreshes()).toBe(20);
      expect(new Set(bearers()).size).toBe(20);
      expect(fixture.spent()).toEqual(rotation === 'kept' ? [20] : [...Array(20).fill(1), 0]);
      expect(fixture.fake.tokenLedger().map(({ familyAlive }) => familyAlive)).not.toContain(false);
      expect(await session()).toMatchObject({ subject: Reflect.get(Object(who), 'subject') });
    });

    it('refreshes once for many concurrent requests and uses no refresh token twice', async () => {
      expire();
      const responses = await Promise.all(Array.from({ length: 20 }, () => statusOf()));
      expect(countOccurrences(responses)).toEqual({ 200: 20 });
      expect(fixture.refreshes()).toBe(1);
      expect(new Set(bearers()).size).toBe(1);
    });

    it('refreshes an access token that is revoked before its expiry, and the call succeeds', async () => {
      await call();
      fixture.fake.revokeAccessToken(bearers()[0] ?? '');
      expect(await statusOf()).toBe(200);
      const [first, refused, replayed] = bearers();
      expect(refused).toBe(first);
      expect(replayed).not.toBe(first);
      expect(fixture.refreshes()).toBe(1);
    });

    switch (kind.reuse) {
      case 'ends the session':
        it('ends the session when the provider receives an old refresh token again', async () => {
          const stolen = current();
          for (let round = 0; round < 2; round += 1) {
            expire();
            expect(await statusOf()).toBe(200);
          }
          expect(await fixture.fake.replay(stolen)).toBeGreaterThanOrEqual(400);
          expire();
          const calls = fixture.upstream.requests.length;
          const refused = await call();
          expect(refused.status).toBe(401);
          expect(refused.json()).toMatchObject({ code: 'session_expired' });
          expect(fixture.upstream.requests).toHaveLength(calls);
          expect(await session()).toMatchObject({ authenticated: false });
        });
        break;
      case 'is rejected':
        it('continues when a thief presents an old refresh token, which is rejected', async () => {
          const stolen = current();
          expire();
          expect(await statusOf()).toBe(200);
          expect(await fixture.fake.replay(stolen)).toBeGreaterThanOrEqual(400);
          expire();
          expect(await statusOf()).toBe(200);
        });
        break;
      case 'is allowed':
        it('continues when somebody else uses the refresh token, which the provider allows', async () => {
          const stolen = current();
          expire();
          expect(await statusOf()).toBe(200);
          expect(await fixture.fake.replay(stolen)).toBe(200);
          expire();
          expect(await statusOf()).toBe(200);
        });
        break;
    }

    it('keeps the session while the provider is down', async () => {
      await call();
      await fixture.fake.stop();
      expect(await statusOf()).toBe(200);
      expire();
      const refused = await call();
      expect(refused.status).toBe(503);
      expect(refused.json()).toMatchObject({ code: 'provider_unavailable' });
      expect(Number(refused.header('retry-after'))).toBeGreaterThan(0);
      expect(refused.setCookies).toEqual([]);
      expect(await session()).toMatchObject({ authenticated: true });

      await fixture.fake.start();
      fixture.advance(30_000);
      expect(await statusOf()).toBe(200);
    });

    it('signs out here, and at the provider as far as that supports it (standards: D1, D4, D6, D7)', async () => {
      await call();
      const { chain, response } = await fixture.agent.navigate('/auth/logout', { from: 'page', form: {} });
      const visited = chain.map(({ url }) => new URL(url).origin);
      expect(visited.filter((origin) => origin !== fixture.agent.origin)).toHaveLength(
        kind.signOut === 'there' ? 1 : 0,
      );
      const last = (await kind.confirmSignOut?.(fixture.agent, response)) ?? response;
      expect(last.url).toBe(`${fixture.gateway.url}/`);
      expect(await session()).toMatchObject({ authenticated: false });
      expect(await statusOf()).toBe(401);
      expect(fixture.fake.tokenLedger().some(({ familyAlive }) => familyAlive)).toBe(!kind.revokes);
    });

    it('logs no token', async () => {
      await call();
      expire();
      await call();
      await fixture.agent.fetch('/auth/logout', { method: 'POST' });
      const logs = fixture.gateway.logs();
      expect(logs).toContain('"/api"');
      for (const secret of [...bearers(), ...fixture.fake.tokenLedger().map(({ token }) => token)]) {
        expect(logs).not.toContain(secret);
      }
    });
  });
}
