import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { startGateway } from '../../../testkit/gateway/gateway.ts';
import { authorize, beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { type Fixture, type FixtureOptions, openFixture } from './fixture.ts';

let fixture: Fixture;

async function open(options?: FixtureOptions): Promise<Fixture> {
  return (fixture = await openFixture(options));
}

afterEach(() => fixture.close());

/** Starts a provider besides that of the fixture. */
async function openOtherProvider(): Promise<FakeProvider> {
  const provider = await startFakeProvider();
  onTestFinished(() => provider.close());
  return provider;
}

describe('the iss of an authorization response (standards: B9)', () => {
  it('is compared exactly so that another letter case, host or port is rejected', async () => {
    const provider = await startFakeProvider();
    const issuer = `http://localhost:${provider.port}`;
    await open({ provider, metadata: { issuer }, config: { provider: { issuer } } });
    for (const iss of [
      `http://LOCALHOST:${provider.port}`,
      `http://localhost:${provider.port}/`,
      `http://localhost:0${provider.port}`,
      `http://localhost.:${provider.port}`,
      `http://127.0.0.1:${provider.port}`,
      `HTTP://localhost:${provider.port}`,
      'http://localhost',
      ` ${issuer}`,
    ]) {
      provider.patchAuthorizationResponse = (sent) => ({ ...sent, iss });
      await fixture.expectRefusal(/"iss"/);
    }
    expect(provider.tokenCalls()).toBe(0);
    provider.patchAuthorizationResponse = (sent) => ({ ...sent, iss: issuer });
    provider.patchIdToken = (claims) => ({ ...claims, iss: issuer });
    expect((await fixture.login()).status).toBe(303);
  });

  it('is rejected when it appears twice even with the right value', async () => {
    await open();
    const callback = await authorize(fixture.agent, await beginLogin(fixture.agent));
    callback.searchParams.append('iss', fixture.provider.issuer);
    const response = await fixture.agent.get(callback.href);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('more than one "iss"'),
    });
    expect(fixture.provider.tokenCalls()).toBe(0);
  });

  it.each<[string, (sent: Record<string, string>) => Record<string, string>]>([
    ['of another provider', (sent) => ({ ...sent, iss: 'https://other.example' })],
    ['missing', ({ iss: _iss, ...sent }) => sent],
  ])(
    'is required in an error response as well: an error whose iss is %s is not reported',
    async (_what, patch) => {
      await open();
      fixture.provider.user = undefined;
      fixture.provider.patchAuthorizationResponse = patch;
      const response = await fixture.login();
      expect(response.json()).toMatchObject({ status: 400, reason: expect.stringContaining('"iss"') });
      expect(response.text()).not.toContain('access_denied');
    },
  );

  it('can be missing or empty when the provider does not announce it (RFC 6749, section 3.1)', async () => {
    await open({ metadata: { authorization_response_iss_parameter_supported: undefined } });
    for (const iss of [undefined, '']) {
      fixture.provider.patchAuthorizationResponse = ({ iss: _iss, ...sent }) => ({
        ...sent,
        ...(iss !== undefined && { iss }),
      });
      await fixture.expectLogin();
    }
  });
});

describe('the gateway with two providers', () => {
  it('sends the code of the other provider to neither (standards: B8)', async () => {
    await open();
    const other = await openOtherProvider();
    other.client.redirectUris.push(`${fixture.gateway.url}/auth/callback`);
    const begun = await beginLogin(fixture.agent);
    const elsewhere = new URL(begun.authorizationUrl);
    elsewhere.port = String(other.port);
    const callback = await authorize(fixture.agent, { ...begun, authorizationUrl: elsewhere });
    expect(callback.searchParams.get('code')).toMatch(/^canary-code/);

    const response = await fixture.agent.get(callback.href);
    expect(response.json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect([fixture.provider.tokenCalls(), other.tokenCalls()]).toEqual([0, 0]);
  });

  it('rejects a provider that names the authorization endpoint of the other as its own (standards: B10)', async () => {
    const other = await openOtherProvider();
    await open({ metadata: { authorization_endpoint: other.metadata['authorization_endpoint'] } });
    other.client.redirectUris.push(`${fixture.gateway.url}/auth/callback`);
    await fixture.expectRefusal(/"iss"/);
    expect(other.requests.map(({ endpoint }) => endpoint)).toEqual(['authorize']);
    expect(fixture.provider.tokenCalls()).toBe(0);
  });

  it('rejects a login that began at the other provider although both share secret and store (standards: B8)', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const store = redis.url;
    await open({ store, metadata: { authorization_response_iss_parameter_supported: undefined } });
    const other = await openOtherProvider();
    delete other.metadata['authorization_response_iss_parameter_supported'];
    const { url } = fixture.gateway;
    const successor = await startGateway({
      provider: other,
      upstream: fixture.upstream,
      baseUrl: url,
      store,
    });
    onTestFinished(() => successor.close());
    const callback = await authorize(fixture.agent, await beginLogin(fixture.agent));
    callback.searchParams.delete('iss');

    const response = await fixture.browser({ like: fixture.agent, at: successor }).get(callback.href);
    expect(response.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('another provider'),
    });
    expect([fixture.provider.tokenCalls(), other.tokenCalls()]).toEqual([0, 0]);
    expect((await fixture.login()).status).toBe(303);
  });

  it('keeps two users with the same e-mail address separate (standards: C12)', async () => {
    await open();
    fixture.provider.patchIdToken = (claims) => ({ ...claims, email: 'alice@example.test' });
    const mallory = fixture.browser();
    await fixture.agent.signIn('/', { loginHint: 'alice' });
    await mallory.signIn('/', { loginHint: 'mallory' });
    const seen = await Promise.all([fixture.agent, mallory].map((agent) => agent.fetch('/auth/session')));
    expect(seen.map((response) => response.json())).toMatchObject([
      { subject: 'alice', claims: { email: 'alice@example.test' } },
      { subject: 'mallory', claims: { email: 'alice@example.test' } },
    ]);
  });
});
