import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadConfig } from '../../src/provider/read-config.ts';
import { secret } from './config/sample.ts';

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));
const read = (file: string) => readFileSync(deploy + file, 'utf8');

/** What the samples read from files of secrets, by the last part of the path. */
const secretFiles: Record<string, string> = {
  'session-secret': secret,
  'client-secret': 'client-secret',
  'redis-password': 'redis-password',
  'redis-url': 'redis://redis:6379/0',
};

/** Loads a configuration as the gateway would, with made-up secrets. */
function load(yaml: string, env: Record<string, string> = {}) {
  const readFile = (path: string) =>
    path === 'sample.yaml' ? yaml : (secretFiles[path.split('/').at(-1) ?? ''] ?? '');
  return loadConfig('sample.yaml', { env, readFile });
}

/** Longer than `shutdownTimeout`, which is 25 seconds by default, or refreshes in flight are lost. */
const SHUTDOWN_SECONDS = 25;

it('the configuration in the values of the Helm chart is valid, with a service of the cluster as its API', () => {
  const { config } = parse(read('helm/coatcheck/values.yaml'));
  expect(load(stringify(config)).routes).toMatchObject([
    { path: '/api', upstream: ['https://api.default.svc:8443'] },
  ]);
});

it('the Helm chart gives a pod more time to stop than the gateway takes', () => {
  const { terminationGracePeriodSeconds } = parse(read('helm/coatcheck/values.yaml'));
  expect(terminationGracePeriodSeconds).toBeGreaterThan(SHUTDOWN_SECONDS);
});

it('the Helm chart carries the alerts of deploy/prometheus unchanged', () => {
  expect(read('helm/coatcheck/coatcheck.rules.yaml')).toBe(read('prometheus/coatcheck.rules.yaml'));
});

it('the configuration of the compose file is valid with its Keycloak, and with another provider', () => {
  const yaml = read('compose/coatcheck.yaml');
  const keycloak = Object.fromEntries(
    [...read('compose/keycloak.env').matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
  const insecure = { ALLOW_INSECURE_HTTP: 'true' };
  expect(load(yaml, { ...insecure, ...keycloak }).provider).toMatchObject({ issuer: keycloak['ISSUER'] });
  const other = { ISSUER: 'https://login.example.com', CLIENT_ID: 'web' };
  expect(load(yaml, { ...insecure, ...other }).provider).toMatchObject({ issuer: other.ISSUER });
});

it('the compose file and the systemd unit give the gateway more time to stop than it takes', () => {
  const { services } = parse(read('compose.yaml'));
  const [, seconds] = /^TimeoutStopSec=(\d+)s$/m.exec(read('systemd/coatcheck.service')) ?? [];
  expect(parseInt(services.gateway.stop_grace_period, 10)).toBeGreaterThan(SHUTDOWN_SECONDS);
  expect(Number(seconds)).toBeGreaterThan(SHUTDOWN_SECONDS);
});

it('the Redis of the compose file keeps an append-only file and evicts nothing', () => {
  const command = parse(read('compose.yaml')).services.redis.command.join(' ');
  expect(command).toContain('--appendonly yes');
  expect(command).toContain('--maxmemory-policy noeviction');
});
