import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/provider/read-config.ts';
import { minimal, parseRoute, problemsOf, route, secret } from './sample.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { schemaKeys } from './schema-keys.ts';

const pathOf = (file: string) => fileURLToPath(new URL(`../../../config/${file}`, import.meta.url));
const loadFile = (file: string, env: Record<string, string>) =>
  loadConfig(pathOf(file), { env, readFile: (path) => readFileSync(path, 'utf8') });

describe('config/default.yaml', () => {
  const least = {
    ISSUER: 'https://login.example.com',
    CLIENT_ID: 'web',
    CLIENT_SECRET: 'client-secret',
    SESSION_SECRET: secret,
    UPSTREAM: 'http://127.0.0.1:8080',
  };

  it('config/default.yaml takes its values from the environment and requires only those without a sensible default', () => {
    expect(loadFile('default.yaml', least)).toEqual({
      ...parseConfig({ ...minimal, baseUrl: 'http://localhost:3000', listen: '127.0.0.1:3000' }),
      routes: [{ ...parseRoute({}), upstream: ['http://127.0.0.1:8080'] }],
    });
  });

  it('config/default.yaml treats empty optional variables as unset', () => {
    const optional = [
      'BASE_URL',
      'LISTEN',
      'ADMIN_TOKEN',
      'REDIS_URL',
      'SPA_DIRECTORY',
      'TRUST_PROXY',
      'LOG_LEVEL',
    ];
    const empty = Object.fromEntries(optional.map((name) => [name, '']));
    expect(loadFile('default.yaml', { ...least, ...empty })).toEqual(loadFile('default.yaml', least));
  });

  it('config/default.yaml reads every other value from the environment, too', () => {
    const config = loadFile('default.yaml', {
      ...least,
      BASE_URL: 'https://app.example.com',
      LISTEN: '0.0.0.0:8080',
      ADMIN_LISTEN: '0.0.0.0:9000',
      ADMIN_TOKEN: 'a-token-of-the-admin-listener-only',
      TRUST_PROXY: '10.0.0.0/8',
      ALLOW_INSECURE_HTTP: 'true',
      REDIS_URL: 'redis://redis:6379/1',
      SESSION_SECRET_PREVIOUS: `${secret}-old`,
      UPSTREAM: 'http://api:8080',
      SPA_DIRECTORY: '/srv/spa',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'pretty',
    });
    expect(config).toMatchObject({
      baseUrl: 'https://app.example.com',
      listen: { host: '0.0.0.0', port: 8080 },
      admin: { listen: { host: '0.0.0.0', port: 9000 }, token: 'a-token-of-the-admin-listener-only' },
      trustProxy: ['10.0.0.0/8'],
      allowInsecureHttp: true,
      session: { store: { kind: 'redis', url: 'redis://redis:6379/1' }, secrets: [secret, `${secret}-old`] },
      routes: [{ path: '/api', upstream: ['http://api:8080'] }],
      spa: { directory: '/srv/spa' },
      log: { level: 'debug', format: 'pretty' },
    });
  });

  it('config/default.yaml lists every required variable', () => {
    const messages = problemsOf(() => loadFile('default.yaml', {})).map(({ message }) => message);
    expect(messages).toEqual(
      ['ISSUER', 'CLIENT_ID', 'CLIENT_SECRET', 'SESSION_SECRET', 'UPSTREAM'].map(
        (name) => `the environment variable ${name} is not set`,
      ),
    );
  });
});

describe('config/reference.yaml', () => {
  const env = { CLIENT_SECRET: 'client-secret', SESSION_SECRET: secret };

  it('config/reference.yaml states the default of every key', () => {
    expect(loadFile('reference.yaml', env)).toEqual({
      ...parseConfig({
        ...minimal,
        provider: { ...minimal.provider, issuer: 'https://login.example.com/realms/acme' },
        routes: [{ ...route, upstream: 'https://api.internal:8443' }],
      }),
      spa: { directory: './dist' },
    });
  });

  it('config/reference.yaml contains every key', () => {
    const text = readFileSync(pathOf('reference.yaml'), 'utf8');
    const absent = schemaKeys().filter(({ path }) => {
      const key = path.split('.').at(-1) ?? path;
      return !new RegExp(`^[ #-]*${key}:`, 'm').test(text);
    });
    expect(absent.map(({ path }) => path)).toEqual([]);
  });
});

describe('the configuration files for people', () => {
  it.each(['default.yaml', 'reference.yaml'])('config/%s names the JSON Schema for editors', (file) => {
    const [first] = readFileSync(pathOf(file), 'utf8').split('\n');
    expect(first).toBe('# yaml-language-server: $schema=./coatcheck.schema.json');
  });
});
