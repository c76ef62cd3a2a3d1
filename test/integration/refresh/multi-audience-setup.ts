import { decodeJwt } from 'jose';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { type Behaviour, requireToken } from '../../../testkit/upstream/behaviours.ts';

/** The lifetime of the access tokens, in milliseconds. */
export const LIFE = 300_000;
export const ORDERS = { path: '/orders', scopes: ['orders.read'], resource: ['https://orders.example.test'] };
export const BILLING = {
  path: '/billing',
  scopes: ['billing.read'],
  resource: ['https://billing.example.test'],
};
/** The audience of the tokens of the sign-in. */
export const API = { path: '/api', audience: 'https://api.example.test' };

/** A gateway with routes of three audiences, each to its own API, which returns the user of the token. */
export type MultiAudienceSetup = {
  testGateway: TestGateway;
  provider: FakeProvider;
  orders: Upstream;
  billing: Upstream;
  /** The tokens that reached an API with another audience or scope. */
  strays: string[];
  close(): Promise<void>;
};

/** Opens a gateway, with further routes to the API of the tokens of the sign-in. */
export async function openMultiAudienceSetup(
  store: string,
  routes: Record<string, unknown>[] = [],
): Promise<MultiAudienceSetup> {
  const resources = [...ORDERS.resource, ...BILLING.resource];
  const provider = await startFakeProvider({ resources });
  const [orders, billing] = await Promise.all([startUpstream(), startUpstream()]);
  const strays: string[] = [];
  const testGateway = await openTestGateway({
    store,
    provider,
    config: {
      provider: { scopes: ['openid', 'offline_access', 'orders.read', 'billing.read'] },
      log: { level: 'warn' },
    },
    routes: [
      { path: API.path },
      { ...ORDERS, upstream: orders.url },
      { ...BILLING, upstream: billing.url },
      ...routes,
    ],
  });
  const serve = (audience: unknown, scope?: string) => {
    const tell: Behaviour = (_request, response, { bearer = '', target }) => {
      const claims = decodeJwt(bearer);
      const isOurs = claims.aud === audience && (scope === undefined || claims['scope'] === scope);
      if (!isOurs) strays.push(`${target}: ${JSON.stringify([claims.aud, claims['scope']])}`);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ target, subject: claims.sub }));
    };
    return requireToken(provider.isAccessTokenActive, tell);
  };
  testGateway.upstream.respond(serve(API.audience));
  orders.respond(serve(ORDERS.resource[0], 'orders.read'));
  billing.respond(serve(BILLING.resource[0], 'billing.read'));
  return {
    testGateway,
    provider,
    orders,
    billing,
    strays,
    close: async () => {
      await testGateway.close();
      await Promise.all([orders.close(), billing.close()]);
    },
  };
}
