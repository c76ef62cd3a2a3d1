import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { explainAccess, readClaims } from '../../../src/main/explain-access.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { minimal, route } from '../config/sample.ts';

const config = parseConfig({
  ...minimal,
  login: { require: [{ claim: '/email', endsWith: '@acme.example' }] },
  routes: [
    { ...route, path: '/api', require: [{ claim: '/roles', contains: 'admin' }, { scope: 'write' }] },
    { ...route, path: '/api/open', auth: 'none' },
  ],
});
const staff = { email: 'a@acme.example', roles: ['admin'], scope: 'read write' };

describe('--explain-access', () => {
  test.each([
    [staff, '/api/x?y=1', true, 'allowed'],
    [{ ...staff, roles: ['user'] }, '/api/x', false, 'not_allowed  by routes[0].require[0]'],
    [{ ...staff, scope: undefined }, '/api/x', false, 'not_allowed  by routes[0].require[1]'],
    [{ ...staff, email: 'a@evil.example' }, '/api/x', false, 'not_allowed  by login.require[0]'],
    [{}, '/api/open/x', true, 'allowed  without a session'],
    [staff, '/other', false, '/other  no route'],
  ])('explains %j at %s', (claims, path, isAllowed, last) => {
    const explanation = explainAccess(config, claims, path);
    expect(explanation.isAllowed).toBe(isAllowed);
    expect(explanation.lines.at(-1)).toBe(last);
  });

  test.each([
    ['/api/%6fpen', /^\/api\/%6fpen {2}bad_request {2}The path belongs to another route/],
    ['/api/../x', /^\/api\/\.\.\/x {2}bad_request {2}/],
    ['no-path', /^no-path {2}bad_request {2}/],
  ])('tells that the gateway rejects the path %s', (path, line) => {
    const { lines, isAllowed } = explainAccess(config, staff, path);
    expect([lines.length, isAllowed]).toEqual([1, false]);
    expect(lines[0]).toMatch(line);
  });

  test('tells what is unknown from what fails', () => {
    const { lines } = explainAccess(config, { email: 7, roles: [] }, '/api/x');
    expect(lines.slice(0, 3)).toEqual([
      '/api/x  routes[0] /api  auth: required',
      'unknown  login.require[0]',
      'fails    routes[0].require[0]',
    ]);
  });
});

describe('the file of claims', () => {
  test.each([['no JSON: canary-secret'], ['["canary-secret"]'], [' '.repeat(1_048_577)]])(
    'is rejected without anything of its content',
    async (content) => {
      const file = join(await mkdtemp(join(tmpdir(), 'coatcheck-claims-')), 'claims.json');
      await writeFile(file, content);
      expect(() => readClaims(file)).toThrow(ConfigError);
      expect(() => readClaims(file)).not.toThrow('canary');
      await rm(dirname(file), { recursive: true });
    },
  );

  test('is rejected when it is no regular file', () => {
    expect(() => readClaims('/dev/zero')).toThrow(ConfigError);
  });
});
