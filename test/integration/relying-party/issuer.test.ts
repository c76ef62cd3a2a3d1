import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider.ts';
import { startGateway } from '../../../testkit/gateway.ts';
import { authorize, beginLogin } from '../../../testkit/login-steps.ts';
import { type Stage, type StageOptions, openStage } from './stage.ts';

let stage: Stage;

async function open(options?: StageOptions): Promise<Stage> {
  return (stage = await openStage(options));
}

afterEach(() => stage.close());

/** Starts a provider besides that of the stage. */
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
      await stage.expectRefusal(/"iss"/);
    }
    expect(provider.tokenCalls()).toBe(0);
    provider.patchAuthorizationResponse = (sent) => ({ ...sent, iss: issuer });
    provider.patchIdToken = (claims) => ({ ...claims, iss: issuer });
    expect((await stage.login()).status).toBe(303);
  });

  it('is rejected when it appears twice even with the right value', async () => {
    await open();
    const callback = await authorize(stage.agent, await beginLogin(stage.agent));
    callback.searchParams.append('iss', stage.provider.issuer);
    const answer = await stage.agent.get(callback.href);
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('more than one "iss"'),
    });
    expect(stage.provider.tokenCalls()).toBe(0);
  });

  it.each<[string, (sent: Record<string, string>) => Record<string, string>]>([
    ['of another provider', (sent) => ({ ...sent, iss: 'https://other.example' })],
    ['missing', ({ iss: _iss, ...sent }) => sent],
  ])(
    'is required in an error response as well: an error whose iss is %s is not reported',
    async (_what, patch) => {
      await open();
      stage.provider.user = undefined;
      stage.provider.patchAuthorizationResponse = patch;
      const answer = await stage.login();
      expect(answer.json()).toMatchObject({ status: 400, reason: expect.stringContaining('"iss"') });
      expect(answer.text()).not.toContain('access_denied');
    },
  );

  it('can be missing or empty when the provider does not announce it (RFC 6749, section 3.1)', async () => {
    await open({ metadata: { authorization_response_iss_parameter_supported: undefined } });
    for (const iss of [undefined, '']) {
      stage.provider.patchAuthorizationResponse = ({ iss: _iss, ...sent }) => ({
        ...sent,
        ...(iss !== undefined && { iss }),
      });
      await stage.expectLogin();
    }
  });
});

describe('the gateway with two providers', () => {
  it('sends the code of the other provider to neither (standards: B8)', async () => {
    await open();
    const other = await openOtherProvider();
    other.client.redirectUris.push(`${stage.gateway.url}/auth/callback`);
    const begun = await beginLogin(stage.agent);
    const elsewhere = new URL(begun.authorizationUrl);
    elsewhere.port = String(other.port);
    const callback = await authorize(stage.agent, { ...begun, authorizationUrl: elsewhere });
    expect(callback.searchParams.get('code')).toMatch(/^canary-code/);

    const answer = await stage.agent.get(callback.href);
    expect(answer.json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect([stage.provider.tokenCalls(), other.tokenCalls()]).toEqual([0, 0]);
  });

  it('rejects a provider that names the authorization endpoint of the other as its own (standards: B10)', async () => {
    const other = await openOtherProvider();
    await open({ metadata: { authorization_endpoint: other.metadata['authorization_endpoint'] } });
    other.client.redirectUris.push(`${stage.gateway.url}/auth/callback`);
    await stage.expectRefusal(/"iss"/);
    expect(other.requests.map(({ endpoint }) => endpoint)).toEqual(['authorize']);
    expect(stage.provider.tokenCalls()).toBe(0);
  });

  it('rejects a login that began at the other provider although both share the session secret (standards: B8)', async () => {
    await open({ metadata: { authorization_response_iss_parameter_supported: undefined } });
    const other = await openOtherProvider();
    delete other.metadata['authorization_response_iss_parameter_supported'];
    const { url } = stage.gateway;
    const successor = await startGateway({ provider: other, upstream: stage.upstream, baseUrl: url });
    onTestFinished(() => successor.close());
    const callback = await authorize(stage.agent, await beginLogin(stage.agent));
    callback.searchParams.delete('iss');

    const answer = await stage.browser({ like: stage.agent, at: successor }).get(callback.href);
    expect(answer.json()).toMatchObject({
      code: 'login_failed',
      reason: expect.stringContaining('another provider'),
    });
    expect([stage.provider.tokenCalls(), other.tokenCalls()]).toEqual([0, 0]);
    expect((await stage.agent.get(callback.href)).status).toBe(303);
  });

  it('keeps two users with the same e-mail address separate (standards: C12)', async () => {
    await open();
    stage.provider.patchIdToken = (claims) => ({ ...claims, email: 'alice@example.test' });
    const mallory = stage.browser();
    await stage.agent.signIn('/', { loginHint: 'alice' });
    await mallory.signIn('/', { loginHint: 'mallory' });
    const seen = await Promise.all([stage.agent, mallory].map((agent) => agent.fetch('/auth/session')));
    expect(seen.map((answer) => answer.json())).toMatchObject([
      { subject: 'alice', claims: { email: 'alice@example.test' } },
      { subject: 'mallory', claims: { email: 'alice@example.test' } },
    ]);
  });
});
