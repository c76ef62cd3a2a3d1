import type { JWTPayload } from 'jose';
import { expect } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { login } from '../../../testkit/gateway/login-steps.ts';
import {
  type TestGateway,
  type TestGatewayOptions,
  openTestGateway,
} from '../../../testkit/gateway/test-gateway.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import { claimsOf } from './signing.ts';

/** How long to poll for an outcome on a busy machine. */
export const PATIENCE = { timeout: 20_000 };

/** A gateway, its provider and a browser that signs in. */
export type Fixture = TestGateway & {
  /** Signs in by a navigation through the provider; returns the response to the callback. */
  login(query?: string): Promise<AgentResponse>;
  /** Expects that a login is rejected for this reason and starts no session. */
  expectRefusal(reason: RegExp): Promise<void>;
  /** Expects that a login succeeds and that its token works. */
  expectLogin(): Promise<void>;
  /** Makes the provider create its ID tokens with a function of their claims. */
  mint(make: (claims: JWTPayload) => string): void;
  /** Makes the provider publish these keys instead of its own. */
  publish(...keys: object[]): void;
  /** The number of JWKS requests to the provider. */
  keyReads(): number;
};

/** The options of a gateway: `metadata` changes the provider metadata; undefined removes a member. */
export type FixtureOptions = TestGatewayOptions & { metadata?: Record<string, unknown> };

export async function openFixture({ metadata = {}, ...options }: FixtureOptions = {}): Promise<Fixture> {
  const provider = options.provider ?? (await startFakeProvider());
  Object.assign(provider.metadata, metadata);
  const testGateway = await openTestGateway({ ...options, provider });

  return {
    ...testGateway,
    login: (query) => login(testGateway.agent, query),
    expectRefusal: async (reason) => {
      const response = await login(testGateway.agent);
      expect(response.json()).toMatchObject({
        status: 400,
        code: 'login_failed',
        reason: expect.stringMatching(reason),
      });
      await expectNobody(testGateway);
    },
    expectLogin: async () => {
      expect((await login(testGateway.agent)).status).toBe(303);
      expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    },
    mint: (make) => {
      provider.patchTokenResponse = (json) => ({ ...json, id_token: make(claimsOf(json['id_token'])) });
    },
    publish: (...keys) => {
      provider.faults.jwks = { status: 200, body: { keys } };
    },
    keyReads: () => readsOf(provider),
  };
}

/** Expects that the browser has no cookie, and that no data of the user was sent anywhere. */
export async function expectNobody({ agent, upstream, provider }: TestGateway): Promise<void> {
  expect(agent.cookies.all()).toEqual([]);
  expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: false });
  expect(upstream.requests).toEqual([]);
  expect(provider.requests.map(({ endpoint }) => endpoint)).not.toContain('userinfo');
}

function readsOf(provider: FakeProvider): number {
  return provider.requests.filter(({ endpoint }) => endpoint === 'jwks').length;
}
