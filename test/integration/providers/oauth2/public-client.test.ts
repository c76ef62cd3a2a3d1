import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginLogin } from '../../../../testkit/gateway/login-steps.ts';
import { type Bank, startBank } from '../../../../testkit/providers/bank.ts';
import { openProviderFixture } from '../../../../testkit/providers/provider-fixture.ts';
import { until } from '../../../../testkit/until.ts';

const LIFE = 300_000;

/** A gateway that is a public client (RFC 6749, section 2.1) of a plain OAuth 2.0 server, which knows no secret of it. */
async function openPublicClient(format: Bank['format']) {
  let server: Bank | undefined;
  const open = async (clock: () => number) => {
    server = await startBank(clock, { client: { id: 'web' } });
    server.format = format;
    const { register } = server;
    return Object.assign(server, {
      register: (baseUrl: string) => ({ ...register(baseUrl), requestFormat: format }),
    });
  };
  const fixture = await openProviderFixture({ open });
  onTestFinished(() => fixture.close());
  const bank = server as unknown as Bank;
  const bodiesOf = (path: RegExp) =>
    bank.server.requests.flatMap(({ path: own, headers, body }) => {
      if (!path.test(own)) return [];
      expect(headers['authorization']).toBeUndefined();
      return [
        Object.fromEntries(format === 'json' ? Object.entries(JSON.parse(body)) : new URLSearchParams(body)),
      ];
    });
  /** An API call, before and after the access token expires, and a sign-out. */
  const useAndSignOut = async () => {
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    fixture.advance(LIFE);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    expect((await fixture.agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
    await until('the refresh token is revoked', async () => bodiesOf(/\/revoke$/)[0]);
    expect(bank.tokenLedger().some(({ familyAlive }) => familyAlive)).toBe(false);
  };
  return { ...fixture, bank, bodiesOf, useAndSignOut };
}

describe.each(['form', 'json'] as const)(
  'a public client of a plain OAuth 2.0 server that takes %s',
  (format) => {
    it('signs in by redirect with PKCE, refreshes and revokes without a secret', async () => {
      const { bank, signIn, bodiesOf, useAndSignOut } = await openPublicClient(format);
      await signIn();
      await useAndSignOut();
      const [code, refresh, ...others] = bodiesOf(/\/token$/);
      expect(others).toEqual([]);
      expect(code).toMatchObject({ grant_type: 'authorization_code', client_id: 'web' });
      expect(refresh).toMatchObject({ grant_type: 'refresh_token', client_id: 'web' });
      expect(bodiesOf(/\/revoke$/)).toMatchObject([{ client_id: 'web' }]);
      for (const body of bodiesOf(/token$|revoke$/)) expect(body).not.toHaveProperty('client_secret');
      const authorization = bank.server.requests.find(({ path }) => path === '/v3/authorize')?.query;
      const challenge = createHash('sha256').update(String(code?.['code_verifier'])).digest('base64url');
      expect(authorization?.get('code_challenge')).toBe(challenge);
      expect(authorization?.get('code_challenge_method')).toBe('S256');
    });

    it('signs in on another device, refreshes and revokes without a secret', async () => {
      const { agent, bank, bodiesOf, useAndSignOut } = await openPublicClient(format);
      bank.approvals.intervalSeconds = 0.05;
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ login_hint: 'alice' });
      expect((await agent.fetch('/auth/decoupled', { method: 'POST', headers, body })).status).toBe(202);
      for (const approval of bank.approvals.all) approval.state = 'approved';
      await until('the sign-in is complete', async () =>
        (await agent.fetch('/auth/decoupled')).status === 200 ? true : undefined,
      );
      await useAndSignOut();
      const bodies = bodiesOf(/authorize-decoupled|revoke$/);
      expect(bodies).toHaveLength(4);
      for (const sent of bodies) {
        expect(sent).toMatchObject({ client_id: 'web' });
        expect(sent).not.toHaveProperty('client_secret');
      }
    });

    it('gains nothing from a code that was issued for another PKCE challenge', async () => {
      const { agent, bank } = await openPublicClient(format);
      const { authorizationUrl } = await beginLogin(agent);
      authorizationUrl.searchParams.set(
        'code_challenge',
        createHash('sha256').update('other').digest('base64url'),
      );
      const { headers } = await fetch(authorizationUrl, { redirect: 'manual' });
      await agent.navigate(String(headers.get('location')));
      expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
      expect(bank.tokenLedger()).toEqual([]);
    });
  },
);
