import { expect, it } from 'vitest';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';

const BASE_URL = 'http://127.0.0.1:3000';
const section = { type: 'oidc', issuer: 'http://127.0.0.1:4000', clientId: 'web', clientSecret: 'secret' };

it('the test configuration is valid for the gateway and known to the provider', () => {
  const registered: string[] = [];
  const provider = { register: (baseUrl: string) => (registered.push(baseUrl), section) };
  const upstream = { url: 'http://127.0.0.1:8080' };
  const config = parseConfig(gatewayConfig({ provider, upstream }, BASE_URL, '127.0.0.1:3000'));
  expect(config).toMatchObject({ baseUrl: BASE_URL, listen: { host: '127.0.0.1', port: 3000 } });
  expect(config.provider).toMatchObject(section);
  expect(registered).toEqual([BASE_URL]);
});

it('the test configuration merges the changes of a test and replaces lists', () => {
  const parts = {
    provider: { register: () => section },
    upstream: { url: 'http://127.0.0.1:8080' },
    store: 'redis://127.0.0.1:6379/0',
    config: {
      session: { idleTimeout: '1s' },
      routes: [{ path: '/only', upstream: 'http://127.0.0.1:8080' }],
    },
  };
  const config = parseConfig(gatewayConfig(parts, BASE_URL, '127.0.0.1:3000'));
  expect(config.session).toMatchObject({ store: { kind: 'redis' }, idleTimeout: 1000 });
  expect(config.routes.map(({ path }) => path)).toEqual(['/only']);
});
