import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { effectiveYaml } from '../../../src/config/effective-config.ts';
import { configSchema } from '../../../src/provider/read-config.ts';

it.each([
  ['redis://:canary@host:1/0', 'redis://:***@host:1/0'],
  ['redis://canary@host/0', 'redis://***@host/0'],
  ['rediss://user:can@ary@host/0', 'rediss://user:***@host/0'],
  ['redis://host/0?password=canary', 'redis://host/0?***'],
  ['memory:', 'memory:'],
])('the effective configuration masks the secret part of the store address %s', (store, shown) => {
  const text = effectiveYaml(configSchema, { session: { store } });
  expect(parse(text)).toMatchObject({ session: { store: shown } });
  expect(text).not.toContain('canary');
});

it.each([
  ['http://gateway:canary@proxy:3128', 'http://gateway:***@proxy:3128'],
  ['none', 'none'],
  [undefined, 'env'],
])('the effective configuration shows which proxy the provider is called through: %s', (proxy, shown) => {
  const text = effectiveYaml(configSchema, { provider: { type: 'oidc', proxy } });
  expect(parse(text)).toMatchObject({ provider: { proxy: shown } });
  expect(text).not.toContain('canary');
});

it('the effective configuration masks the password of a URL in any other key', () => {
  const text = effectiveYaml(configSchema, { baseUrl: 'https://user:canary@app.example.com' });
  expect(text).toContain('baseUrl: https://user:***@app.example.com\n');
});

it('the effective configuration masks the values of the query of a URL, but no placeholders', () => {
  const provider = {
    type: 'oidc',
    discoveryUrl: 'https://login.example.com/metadata?apikey=canary&v=canary#part',
    logoutUrl: 'https://login.example.com/logout?k=canary&to={returnTo}',
  };
  const text = effectiveYaml(configSchema, { provider });
  expect(parse(text)).toMatchObject({
    provider: {
      discoveryUrl: 'https://login.example.com/metadata?apikey=***&v=***#part',
      logoutUrl: 'https://login.example.com/logout?k=***&to={returnTo}',
    },
  });
});

it('the effective configuration masks a secret that looks like a URL', () => {
  const provider = { type: 'oidc', clientSecret: 'https://canary.example.com' };
  expect(effectiveYaml(configSchema, { provider })).toMatch(/clientSecret: "?\*\*\*"?\n/);
});

it('the effective configuration has booleans and numbers where an environment variable supplied their text', () => {
  const text = effectiveYaml(configSchema, {
    workers: '2',
    allowInsecureHttp: 'false',
    telemetry: { sampleRatio: '0.5' },
    routes: [{ path: '/api', stripPrefix: 'true', maxBody: '0', replayBody: '1kb' }],
    provider: { type: 'oidc', clientId: '42', dpop: 'true' },
  });
  expect(parse(text)).toMatchObject({
    workers: 2,
    allowInsecureHttp: false,
    telemetry: { sampleRatio: 0.5 },
    routes: [{ path: '/api', stripPrefix: true, maxBody: 0, replayBody: '1kb' }],
    provider: { clientId: '42', dpop: true },
  });
});

it.each(['auto', 'many'])(
  'the effective configuration leaves the text %s of a number unchanged',
  (workers) => {
    expect(parse(effectiveYaml(configSchema, { workers }))).toMatchObject({ workers });
  },
);
