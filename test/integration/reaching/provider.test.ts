import { describe, expect, it, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { giveIssuer, startSecureProvider } from '../../../testkit/fake-provider/secure-provider.ts';
import { loginDirectly } from '../../../testkit/gateway/login-steps.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { createCertificateAuthority } from '../../../testkit/network/certificate-authority.ts';
import { type ConnectProxyOptions, startConnectProxy } from '../../../testkit/network/connect-proxy.ts';

const HOST = 'login.example.test';
const CREDENTIALS = 'gateway:canary-proxy-password';
const authority = createCertificateAuthority();
const identity = authority.issue(HOST);
const notReady = { status: 503, code: 'provider_unavailable' };

/** A provider whose name only a proxy can resolve. */
async function openBehindProxy(options: Omit<ConnectProxyOptions, 'hosts'> = {}, tls: object = identity) {
  const secure = await startSecureProvider(tls, HOST);
  onTestFinished(() => secure.close());
  const proxy = await startConnectProxy({ ...options, hosts: { [HOST]: secure.port } });
  onTestFinished(() => proxy.stop());
  const open = (provider: object) =>
    openTestGatewayForTest({
      provider: secure.provider,
      config: { provider: { issuer: secure.issuer, tls: { ca: authority.certificate }, ...provider } },
    });
  return { ...secure, proxy, open };
}

describe('an outgoing proxy', () => {
  it('carries every call to the provider, by CONNECT with its credentials', async () => {
    const { proxy, port, provider, open } = await openBehindProxy({ credentials: CREDENTIALS });
    const testGateway = await open({ proxy: `http://${CREDENTIALS}@127.0.0.1:${proxy.port}` });
    expect((await loginDirectly(testGateway)).status).toBe(303);
    testGateway.advance(301_000);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
    const called = new Set(provider.requests.map(({ endpoint }) => endpoint));
    expect([...called].sort()).toEqual(['authorize', 'discovery', 'jwks', 'revoke', 'token']);
    expect(proxy.requests.length).toBeGreaterThan(0);
    for (const request of proxy.requests)
      expect(request).toMatchObject({ authority: `${HOST}:${port}`, status: 200 });
  });

  it('is reached by TLS when its URL is https, also with a certificate of provider.tls.ca', async () => {
    const { proxy, open } = await openBehindProxy({ identity: authority.issue('127.0.0.1') });
    expect((await loginDirectly(await open({ proxy: `https://127.0.0.1:${proxy.port}` }))).status).toBe(303);
    expect(proxy.requests).not.toEqual([]);
  });

  it('that refuses the credentials is named in the log, without them', async () => {
    const { proxy, open } = await openBehindProxy({ credentials: CREDENTIALS });
    const { agent, gateway } = await open({
      proxy: `http://gateway:canary-wrong-password@127.0.0.1:${proxy.port}`,
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject(notReady);
    expect(gateway.logs()).toContain(`the proxy 127.0.0.1:${proxy.port} requires other credentials (407)`);
  });

  it('that is down is named in the log', async () => {
    const { proxy, open } = await openBehindProxy();
    await proxy.stop();
    const { agent, gateway } = await open({ proxy: `http://127.0.0.1:${proxy.port}` });
    expect((await agent.get('/auth/login')).json()).toMatchObject(notReady);
    expect(gateway.logs()).toContain(`the proxy 127.0.0.1:${proxy.port} cannot be reached: ECONNREFUSED`);
  });

  it('that cannot reach the provider costs no refresh token', async () => {
    const { proxy, provider, become, open } = await openBehindProxy();
    const testGateway = await open({ proxy: `http://127.0.0.1:${proxy.port}` });
    await loginDirectly(testGateway);
    const before = provider.tokenCalls();
    await proxy.stop();
    become(identity);
    testGateway.advance(301_000);
    expect((await testGateway.agent.fetch('/api/one')).json()).toMatchObject(notReady);
    await proxy.start();
    await expect
      .poll(async () => (await testGateway.agent.fetch('/api/one')).status, { timeout: 20_000 })
      .toBe(200);
    expect(provider.tokenCalls()).toBe(before + 1);
  });
});

describe('TLS to the provider', () => {
  it('rejects a provider whose certificate is of another authority than provider.tls.ca', async () => {
    const { proxy, provider, open } = await openBehindProxy();
    const { agent } = await open({
      proxy: `http://127.0.0.1:${proxy.port}`,
      tls: { ca: createCertificateAuthority().certificate },
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject(notReady);
    expect(provider.requests).toEqual([]);
  });

  it('shows the client certificate of provider.tls', async () => {
    const mutual = { ...identity, ca: authority.certificate, requestCert: true, rejectUnauthorized: true };
    const { proxy, clients, open } = await openBehindProxy({}, mutual);
    const { cert: certificate, key } = authority.issue();
    const through = `http://127.0.0.1:${proxy.port}`;
    const without = await open({ proxy: through });
    expect((await without.agent.get('/auth/login')).json()).toMatchObject(notReady);
    const tls = { ca: authority.certificate, certificate, key };
    expect((await loginDirectly(await open({ proxy: through, tls }))).status).toBe(303);
    expect(new Set(clients)).toEqual(new Set(['client']));
  });
});

describe('a provider that browsers and the gateway know by different names', () => {
  const issuer = 'https://login.example.test';

  async function openSplit() {
    const provider = await startFakeProvider();
    const inside = provider.issuer;
    giveIssuer(provider, issuer);
    const { metadata } = provider;
    return { provider, inside, metadata };
  }

  it('is discovered at provider.discoveryUrl, with the endpoints that its metadata has', async () => {
    const { provider, inside, metadata } = await openSplit();
    for (const name of ['token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'revocation_endpoint'])
      metadata[name] = String(metadata[name]).replace(issuer, inside);
    const testGateway = await openTestGatewayForTest({
      provider,
      config: { provider: { issuer, discoveryUrl: `${inside}/.well-known/openid-configuration` } },
    });
    const begun = await testGateway.agent.get('/auth/login');
    expect(begun.header('location')).toMatch(/^https:\/\/login\.example\.test\/authorize\?/);
    expect((await loginDirectly(testGateway)).status).toBe(303);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
  });

  it('may have the endpoints that only the gateway calls in provider.endpoints', async () => {
    const { provider, inside } = await openSplit();
    const testGateway = await openTestGatewayForTest({
      provider,
      config: {
        provider: {
          issuer,
          discoveryUrl: `${inside}/.well-known/openid-configuration`,
          endpoints: {
            token: `${inside}/token`,
            jwks: `${inside}/jwks`,
            userinfo: `${inside}/userinfo`,
            revocation: `${inside}/revoke`,
          },
        },
      },
    });
    expect((await loginDirectly(testGateway)).status).toBe(303);
  });

  it('needs no discovery when provider.endpoints has all endpoints', async () => {
    const { provider, inside } = await openSplit();
    const testGateway = await openTestGatewayForTest({
      provider,
      config: {
        provider: {
          issuer,
          endpoints: {
            authorization: `${issuer}/authorize`,
            token: `${inside}/token`,
            jwks: `${inside}/jwks`,
            userinfo: `${inside}/userinfo`,
            endSession: `${issuer}/end_session`,
            revocation: `${inside}/revoke`,
          },
        },
      },
    });
    expect((await loginDirectly(testGateway)).status).toBe(303);
    expect(provider.requests.map(({ endpoint }) => endpoint)).not.toContain('discovery');
  });

  it('is rejected when the issuer at provider.discoveryUrl is not exactly provider.issuer', async () => {
    const { provider, inside } = await openSplit();
    const { agent, gateway } = await openTestGatewayForTest({
      provider,
      config: {
        provider: { issuer: `${issuer}/`, discoveryUrl: `${inside}/.well-known/openid-configuration` },
      },
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject(notReady);
    expect(gateway.logs()).toContain('but the provider publishes');
  });

  it('is rejected when its metadata sends browsers to plain http', async () => {
    const { provider, inside, metadata } = await openSplit();
    metadata['authorization_endpoint'] = `${inside}/authorize`;
    const { agent, gateway } = await openTestGatewayForTest({
      provider,
      config: { provider: { issuer, discoveryUrl: `${inside}/.well-known/openid-configuration` } },
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject(notReady);
    expect(gateway.logs()).toContain('authorization_endpoint');
  });
});
