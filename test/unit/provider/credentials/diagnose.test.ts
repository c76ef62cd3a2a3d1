import { expect, it } from 'vitest';
import { diagnoseCredentials } from '../../../../src/provider/credentials/diagnose.ts';
import { credentialsKind } from '../../../../src/provider/credentials/kind.ts';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal } from '../../config/sample.ts';

const report = (section: Record<string, unknown>): Record<string, string> => {
  const { provider } = parseConfig({ ...minimal, provider: section });
  if (!credentialsKind.owns(provider)) throw new Error('the provider is of another kind');
  const results = diagnoseCredentials(provider, 'https://api.example.com');
  return Object.fromEntries(results.map(({ name, verdict, detail }) => [name, `${verdict}: ${detail}`]));
};

const credentials = {
  type: 'credentials',
  login: {
    url: 'https://api.example.com/login',
    body: { user: '{username}', password: '{password}', key: 'canary-key' },
  },
  refresh: { url: 'https://api.example.com/refresh', body: { token: '{refreshToken}' } },
  response: { accessToken: '/token', refreshToken: '/refreshToken' },
};

it.each([
  [{}, 'warning: neither', 'warning: the refresh token expiry is unknown'],
  [{ expiresAt: '/end' }, "ok: until /end, by the vendor's clock", 'warning: '],
  [
    { expiresIn: '/life', expiresAt: '/end', refreshExpiresAt: '/last' },
    'ok: /life, by the gateway clock',
    'ok: ends when its refresh token expires: /last',
  ],
])('reports the consequences of the vendor lifetimes %j', (places, lifetime, session) => {
  const found = report({ ...credentials, response: { ...credentials.response, ...places } });
  expect(found['lifetime']).toContain(lifetime);
  expect(found['session']).toContain(session);
  expect(found['subject']).toBe('ok: the user name, folded');
});

it('the report on a vendor API reveals no secret', () => {
  expect(JSON.stringify(report(credentials))).not.toContain('canary');
});
