import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { FakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { startSecureProvider } from '../../../testkit/fake-provider/secure-provider.ts';
import { loginDirectly } from '../../../testkit/gateway/login-steps.ts';
import { openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { selfSigned } from '../../../testkit/network/self-signed.ts';
import { authority, certificates, serverKey } from './certificates.ts';

const usual = getCACertificates('default');
beforeAll(() => setDefaultCACertificates([authority]));
afterAll(() => setDefaultCACertificates(usual));

type Identity = { key: string; cert: string; ALPNProtocols?: string[] };

const good = { key: serverKey, cert: certificates.good };

/** A provider on https at localhost, with a certificate that tests change. */
async function openSecureProvider(identity: Identity) {
  const secure = await startSecureProvider(identity);
  onTestFinished(() => secure.close());
  return secure;
}

async function openGateway(provider: FakeProvider, issuer: string) {
  const testGateway = await openTestGateway({ provider, config: { provider: { issuer } } });
  onTestFinished(() => testGateway.close());
  return { ...testGateway, login: () => loginDirectly(testGateway) };
}

describe('a provider with TLS (standards: B16, C2)', () => {
  it('signs users in when its certificate is valid', async () => {
    const { provider, issuer } = await openSecureProvider(good);
    const { login, agent } = await openGateway(provider, issuer);
    expect((await login()).status).toBe(303);
    expect((await agent.fetch('/api/one')).status).toBe(200);
  });

  it('receives HTTP/1.1 requests even when it offers HTTP/2', async () => {
    const { provider, issuer } = await openSecureProvider({ ...good, ALPNProtocols: ['h2', 'http/1.1'] });
    const { login } = await openGateway(provider, issuer);
    expect((await login()).status).toBe(303);
  });

  it.each<[string, Identity]>([
    ['self-signed', selfSigned],
    ['expired', { key: serverKey, cert: certificates.expired }],
    ['for another host', { key: serverKey, cert: certificates.ofAnotherHost }],
  ])('receives no request while its certificate is %s', async (_what, identity) => {
    const { provider, issuer, become } = await openSecureProvider(identity);
    const { agent, login } = await openGateway(provider, issuer);
    expect((await agent.get('/auth/login')).json()).toMatchObject({ code: 'provider_unavailable' });
    expect(provider.requests).toEqual([]);
    become(good);
    expect((await login()).status).toBe(303);
  });

  it.each<[string, Identity]>([
    ['self-signed', selfSigned],
    ['expired', { key: serverKey, cert: certificates.expired }],
    ['for another host', { key: serverKey, cert: certificates.ofAnotherHost }],
  ])(
    'receives no code, secret or refresh token after its certificate becomes %s',
    async (_what, identity) => {
      const { provider, issuer, become } = await openSecureProvider(good);
      const { login, agent, advance } = await openGateway(provider, issuer);
      await login();
      const before = provider.requests.length;
      become(identity);
      const second = await login();
      expect(second.json()).toMatchObject({ code: 'provider_unavailable' });
      advance(301_000);
      expect((await agent.fetch('/api/one')).json()).toMatchObject({ code: 'provider_unavailable' });
      expect(provider.requests.slice(before).map(({ endpoint }) => endpoint)).toEqual(['authorize']);
      become(good);
    },
  );
});
