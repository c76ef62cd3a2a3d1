import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configJsonSchema } from '../../../../scripts/generate/json-schema.ts';
import { schemaKeys } from '../schema-keys.ts';

const read = (file: string) => readFileSync(new URL(`../../../../config/${file}`, import.meta.url), 'utf8');
const accepts = (value: unknown) => z.fromJSONSchema(configJsonSchema()).safeParse(value).success;

describe('the JSON Schema of the configuration', () => {
  it('the committed JSON Schema is current', () => {
    const committed: unknown = JSON.parse(read('coatcheck.schema.json'));
    expect(committed, 'config/coatcheck.schema.json is out of date: run `npm run generate`').toEqual(
      configJsonSchema(),
    );
  });

  it('the JSON Schema states its draft and has a title', () => {
    expect(configJsonSchema()).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'Coatcheck configuration',
    });
  });

  it('the JSON Schema describes every key', () => {
    const silent = schemaKeys().filter(({ schema }) => schema.description === undefined);
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('the JSON Schema states a default for every key that may be omitted, except optional ones', () => {
    const without = schemaKeys().filter(
      ({ schema, isRequired }) => !isRequired && schema.default === undefined,
    );
    expect([...new Set(without.map(({ path }) => path))]).toEqual([
      'tls.certificate',
      'tls.key',
      'admin.token',
      'provider.discoveryUrl',
      'provider.endpoints.authorization',
      'provider.endpoints.token',
      'provider.endpoints.jwks',
      'provider.endpoints.userinfo',
      'provider.endpoints.endSession',
      'provider.endpoints.revocation',
      'provider.clientSecret',
      'provider.privateKey',
      'provider.keyId',
      'provider.signingAlg',
      'provider.assertionAudience',
      'provider.requestObject',
      'provider.logoutUrl',
      'provider.idTokenSignedResponseAlg',
      'provider.tls.ca',
      'provider.tls.certificate',
      'provider.tls.key',
      'provider.authorizationEndpoint',
      'provider.tokenEndpoint',
      'provider.decoupledEndpoint',
      'provider.decoupledTokenEndpoint',
      'provider.revocationEndpoint',
      'provider.userinfoEndpoint',
      'provider.subject',
      'provider.response.expiresIn',
      'provider.response.expiresAt',
      'provider.response.refreshExpiresIn',
      'provider.response.refreshExpiresAt',
      'provider.response.subject',
      'provider.logout',
      'session.username',
      'session.password',
      'session.sentinelUsername',
      'session.sentinelPassword',
      'session.tls.ca',
      'session.tls.certificate',
      'session.tls.key',
      'login.failureReturnTo',
      'login.errorPage',
      'routes[].upstream',
      'routes[].tls.ca',
      'routes[].tls.certificate',
      'routes[].tls.key',
      'routes[].tls.serverName',
      'routes[].bearer.audience',
      'routes[].exchange.audience',
      'routes[].exchange.tokenType',
      'routes[].forwardAuth.authorizationSecret',
      'routes[].identity.jwt',
      'spa',
      'spa.directory',
      'spa.devServer',
      'audit.key',
      'keys[].keyId',
    ]);
  });

  it.each(['default.yaml', 'reference.yaml'])(
    'the JSON Schema accepts %s with its interpolations',
    (file) => {
      expect(accepts(parse(read(file)))).toBe(true);
    },
  );

  it('the JSON Schema accepts an interpolation in place of a number, a boolean, an enum value and a pattern', () => {
    const provider = { type: 'oidc', issuer: '${ISSUER}', clientId: 'web', clientSecret: 'x' };
    const config = { baseUrl: '${BASE_URL}', provider, session: { secrets: ['${SECRET}'] } };
    expect(
      accepts({ ...config, workers: '${W:-1}', allowInsecureHttp: '${X}', log: { level: '${L}' } }),
    ).toBe(true);
    expect(accepts({ ...config, log: { level: 'loud' } })).toBe(false);
    expect(accepts({ ...config, allowInsecureHttp: 'yes' })).toBe(false);
    expect(accepts({ ...config, sesion: {} })).toBe(false);
  });
});
