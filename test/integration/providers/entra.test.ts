import { decodeJwt } from 'jose';
import { expect, it, onTestFinished } from 'vitest';
import { ProtocolError } from '../../../testkit/fake-provider/protocol-error.ts';
import { OTHER_SCOPE, SCOPE, startEntra } from '../../../testkit/providers/named/entra.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Microsoft Entra ID',
  open: startEntra,
  lifeMs: 4_811_000,
  rotation: 'added',
  reuse: 'is allowed',
  signOut: 'there',
  revokes: false,
});

/** A gateway with a second and a third API, which have scopes of their own. */
async function open() {
  const entra = await startEntra();
  const fixture = await openProviderFixture(
    { open: async () => entra },
    {
      routes: [
        { path: '/api' },
        { path: '/orders', scopes: [OTHER_SCOPE] },
        { path: '/salaries', scopes: ['api://salaries/Salaries.Read'] },
      ],
    },
  );
  onTestFinished(() => fixture.close());
  await fixture.signIn();
  const call = async (path: string) => {
    const response = await fixture.agent.fetch(path);
    const { bearer = '' } = fixture.upstream.requests.at(-1) ?? {};
    return { response, claims: decodeJwt(bearer) };
  };
  return { entra, fixture, call };
}

it('Entra ID issues a token per API by its scopes without a resource parameter', async () => {
  const { entra, fixture, call } = await open();
  expect((await call('/api/one')).claims).toMatchObject({
    aud: 'api://first',
    scope: expect.stringContaining(SCOPE),
  });
  expect((await call('/orders/one')).claims).toMatchObject({ aud: 'api://orders', scope: OTHER_SCOPE });
  expect((await call('/api/one')).claims).toMatchObject({ aud: 'api://first' });
  fixture.advance(4_811_000);
  expect((await call('/orders/one')).response.status).toBe(200);
  expect((await call('/api/one')).response.status).toBe(200);
  // After a response without a refresh token, the previous one stays in use.
  expect(entra.tokenLedger().map(({ spent }) => spent)).toEqual([3, 0]);
});

it('Entra ID rejects scopes without consent with invalid_grant and the session is kept', async () => {
  const { entra, fixture, call } = await open();
  expect((await fixture.agent.fetch('/salaries/one')).json()).toMatchObject({
    status: 401,
    code: 'step_up_required',
    stepUp: { scopes: [expect.any(String)] },
    loginUrl: expect.stringMatching(/^\/auth\/login\?stepUp=/),
  });
  expect(fixture.refreshes()).toBe(1);
  expect((await call('/api/one')).response.status).toBe(200);
  expect((await call('/orders/one')).response.status).toBe(200);
  expect(entra.families).toMatchObject([{ alive: true }]);
});

it('the session ends when Entra ID reports that consent for the sign-in was withdrawn', async () => {
  const { entra, fixture } = await open();
  entra.checkTokenRequest = () => {
    const why = 'AADSTS65001: The user or administrator has not consented to use the application.';
    throw new ProtocolError('invalid_grant', why, 400, {}, { suberror: 'consent_required' });
  };
  fixture.advance(4_811_000);
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
});

it('a multi-tenant Entra ID issuer is rejected because the metadata issuer differs', async () => {
  const entra = await startEntra();
  Object.assign(entra.metadata, { issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' });
  const fixture = await openProviderFixture({ open: async () => entra });
  onTestFinished(() => fixture.close());
  expect((await fixture.agent.get('/auth/login')).json()).toMatchObject({ code: 'provider_unavailable' });
  expect(fixture.gateway.logs()).toContain('but the provider publishes');
});
