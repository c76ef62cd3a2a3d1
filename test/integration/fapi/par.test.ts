import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginLogin } from '../../../testkit/gateway/login-steps.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import {
  startRealProvider,
  type RealProvider,
  type RealProviderOptions,
} from '../../../testkit/providers/real-provider.ts';

const LIFE = 300_000;

/** A gateway with oidc-provider, and the parameters of each authorization request that the latter accepted. */
async function open(provider: Record<string, unknown> = {}, options: RealProviderOptions = {}, rest = {}) {
  const accepted: Record<string, unknown>[] = [];
  const paths: string[] = [];
  let opened: RealProvider | undefined;
  const fixture = await openProviderFixture(
    {
      async open(clock) {
        opened = await startRealProvider({
          ...options,
          clock,
          intercept(request, response) {
            paths.push(`${request.method} ${new URL(request.url ?? '', 'http://p').pathname}`);
            return options.intercept?.(request, response) ?? false;
          },
        });
        return opened;
      },
    },
    { config: { provider, ...rest } },
  );
  onTestFinished(() => fixture.close());
  const { instance } = opened ?? {};
  instance?.on('authorization.accepted', ({ oidc }) => accepted.push({ ...oidc.params }));
  return { ...fixture, accepted, paths, issuer: opened?.issuer };
}

/** Answers each pushed request so. */
const responding =
  (status: number, body: string) =>
  (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url !== '/request') return false;
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    return true;
  };

const requiresPar: RealProviderOptions = {
  configuration: {
    features: { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } },
  },
};

/** A fetch-like client, which gets problem documents. */
const problemAt = async (agent: { get(path: string): Promise<{ json(): unknown }> }, path = '/auth/login') =>
  (await agent.get(path)).json();

describe('pushed authorization requests (standards: H1)', () => {
  it.each(['auto', 'required'])(
    'leave only client_id and request_uri in the URL with par: %s',
    async (par) => {
      const { agent, advance, fake, accepted } = await open({ par }, requiresPar);
      const { authorizationUrl } = await beginLogin(agent);
      expect([...authorizationUrl.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
      await agent.signIn();
      expect(accepted).toEqual([
        expect.objectContaining({
          response_type: 'code',
          code_challenge_method: 'S256',
          scope: expect.stringContaining('openid'),
          state: expect.stringMatching(/./),
          nonce: expect.stringMatching(/./),
        }),
      ]);
      advance(LIFE);
      expect((await agent.fetch('/api/one')).status).toBe(200);
      expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
    },
  );

  it('are not sent with par: off', async () => {
    const { agent, paths } = await open({ par: 'off' });
    const { authorizationUrl } = await beginLogin(agent);
    expect(authorizationUrl.searchParams.has('code_challenge')).toBe(true);
    await agent.signIn();
    expect(paths).not.toContain('POST /request');
  });

  it('are not sent to a provider that does not offer them with par: auto', async () => {
    const off = { features: { pushedAuthorizationRequests: { enabled: false } } };
    const { agent, paths } = await open({}, { configuration: off });
    await agent.signIn();
    expect(paths).not.toContain('POST /request');
  });

  it('are required with par: required: a provider without an endpoint for them is not used', async () => {
    const off = { features: { pushedAuthorizationRequests: { enabled: false } } };
    const { agent } = await open({ par: 'required' }, { configuration: off });
    expect(await problemAt(agent)).toMatchObject({
      status: 503,
      code: 'provider_unavailable',
    });
  });

  it('have the parameters of the page, of the configuration and of a resource', async () => {
    const { agent, accepted } = await open(
      { authorizationParams: { display: 'page' } },
      {},
      { login: { parameters: { ui_locales: 'any' } } },
    );
    const { authorizationUrl } = await beginLogin(agent, '?ui_locales=de&login_hint=alice');
    expect([...authorizationUrl.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    await agent.navigate(authorizationUrl.href);
    expect(accepted).toEqual([
      expect.objectContaining({ display: 'page', ui_locales: 'de', login_hint: 'alice' }),
    ]);
  });
});

describe('a request_uri of another origin', () => {
  const OTHER = 'https://attacker.example.test/request.jwt';

  it('from a page is not sent to the provider', async () => {
    const { agent, accepted } = await open();
    const parameters = new URLSearchParams({ request_uri: OTHER, Request_Uri: OTHER, request: 'e30.e30.' });
    const { authorizationUrl } = await beginLogin(agent, `?${parameters}`);
    expect(authorizationUrl.searchParams.getAll('request_uri')).toEqual([
      expect.stringMatching(/^urn:ietf:params:oauth:request_uri:/),
    ]);
    expect(authorizationUrl.href).not.toContain('attacker');
    await agent.signIn();
    expect(accepted).toHaveLength(1);
  });

  it('from the provider stays a parameter of its own authorization endpoint, which alone the browser is sent to', async () => {
    const intercept = responding(
      201,
      JSON.stringify({ request_uri: `${OTHER}?a=1&client_id=other#b`, expires_in: 60 }),
    );
    const { agent, issuer } = await open({}, { intercept });
    const { authorizationUrl } = await beginLogin(agent);
    expect(`${authorizationUrl.origin}${authorizationUrl.pathname}`).toBe(`${issuer}/auth`);
    expect(Object.fromEntries(authorizationUrl.searchParams)).toEqual({
      client_id: 'web',
      request_uri: `${OTHER}?a=1&client_id=other#b`,
    });
    expect(authorizationUrl.searchParams.size).toBe(2);
    expect(authorizationUrl.hash).toBe('');
  });

  it.each([
    '{"expires_in":60}',
    '{"request_uri":"","expires_in":60}',
    '{"request_uri":[1],"expires_in":60}',
    '[]',
    'nonsense',
  ])('or none at all, as in %s, makes the sign-in fail', async (body) => {
    const { agent } = await open({}, { intercept: responding(201, body) });
    expect(await problemAt(agent)).toMatchObject({
      code: expect.stringMatching(/^(login_failed|provider_unavailable)$/),
    });
  });
});

describe('a provider that refuses a pushed authorization request', () => {
  it('makes the sign-in fail with its error code, without its words, and without a request in the URL', async () => {
    const intercept = responding(400, '{"error":"invalid_request","error_description":"secret words"}');
    const { agent, gateway } = await open({}, { intercept });
    expect(await problemAt(agent)).toMatchObject({
      status: 400,
      code: 'login_failed',
      reason: 'the pushed authorization request endpoint returned invalid_request',
    });
    expect(gateway.logs()).not.toContain('secret words');
  });

  it('makes the sign-in fail with a hint at the client credentials when it rejects the client', async () => {
    const { agent } = await open({ clientSecret: 'another-client-secret' });
    expect(await problemAt(agent)).toMatchObject({ status: 400, code: 'login_failed' });
  });

  it.each([500, 503, 429])('counts as unavailable with status %d', async (status) => {
    const { agent, paths } = await open({}, { intercept: responding(status, '{"error":"server_error"}') });
    expect(await problemAt(agent)).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(paths).not.toContain('GET /auth');
  });

  it('counts as unavailable when the endpoint does not respond in time', async () => {
    const { agent } = await open({ timeout: '300ms' }, { intercept: ({ url }) => url === '/request' });
    expect(await problemAt(agent)).toMatchObject({ status: 503, code: 'provider_unavailable' });
  });
});
