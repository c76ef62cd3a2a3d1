import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configJsonSchema } from '../../../scripts/generate/json-schema.ts';
import { loadConfig } from '../../../src/provider/read-config.ts';
import { pem } from './keys.ts';
import { problemsOf, secret } from './sample.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const directory = `${root}config/providers/`;
const files = readdirSync(directory);
const docs = readFileSync(`${root}docs/providers.md`, 'utf8');

/** The environment variables of the ready configurations. */
const env = {
  BASE_URL: 'https://app.example.com',
  SESSION_SECRET: secret,
  UPSTREAM: 'https://api.internal',
  CLIENT_ID: 'web',
  CLIENT_SECRET: 'client-secret',
  CLIENT_KEY: pem('P-256'),
  ISSUER: 'https://login.example.com',
  AUDIENCE: 'https://api.example.com',
  COGNITO_DOMAIN: 'https://acme.auth.eu-west-1.amazoncognito.com',
  SCOPE: 'api://first/access',
  API_URL: 'https://api.vendor.example',
  BANK_URL: 'https://api.bank.example',
};

const load = (file: string, variables: Record<string, string>) =>
  loadConfig(directory + file, { env: variables, readFile: (path) => readFileSync(path, 'utf8') });

it('config/providers contains ready configurations for the most common providers', () => {
  const wanted = ['auth0', 'cognito', 'dex', 'entra', 'fapi2', 'google', 'hydra', 'keycloak', 'okta'].map(
    (name) => `${name}.yaml`,
  );
  expect(files).toEqual(expect.arrayContaining(wanted));
});

describe.each(files)('config/providers/%s', (file) => {
  const text = readFileSync(directory + file, 'utf8');

  it('is valid once the environment sets the variables it names', () => {
    const config = load(file, env);
    expect(config.baseUrl).toBe(env.BASE_URL);
    expect(config.provider.type).toBe(parse(text).provider.type);
    expect(config.routes).toMatchObject([{ path: '/api' }]);
  });

  it('names every required variable in its first lines', () => {
    const missing = problemsOf(() => load(file, {})).map(
      ({ message }) => /^the environment variable (\w+) is not set$/.exec(message)?.[1],
    );
    expect(missing).not.toContain(undefined);
    const [head = ''] = text.split('\nbaseUrl:');
    for (const name of missing) expect(head).toContain(name);
  });

  it('names its JSON Schema for editors in its first line and conforms to it', () => {
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../coatcheck.schema.json');
    expect(z.fromJSONSchema(configJsonSchema()).safeParse(parse(text)).success).toBe(true);
  });
});

describe('docs/providers.md', () => {
  it.each(files)('docs/providers.md names and explains config/providers/%s', (file) => {
    expect(docs).toContain(`](../config/providers/${file})`);
  });

  it('docs/providers.md names only ready configurations that exist', () => {
    const named = [...docs.matchAll(/config\/providers\/([\w-]+\.yaml)/g)].map(([, file]) => file);
    expect(new Set(named)).toEqual(new Set(files));
  });
});
