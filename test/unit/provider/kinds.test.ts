import { describe, expect, it } from 'vitest';
import { createConfigReader } from '../../../src/config/load.ts';
import { createSigningKeys } from '../../../src/crypto/signing-keys.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createProvider, nameOf, providerKinds } from '../../../src/provider/kinds.ts';
import { oidcKind } from '../../../src/provider/oidc/kind.ts';
import { minimal, problemsOf, route } from '../config/sample.ts';
import { collectLog } from '../log-lines.ts';
import { guestbookKind } from './made-up-kind/kind.ts';

const kinds = [
  ...providerKinds,
  guestbookKind, // the one line
] as const;

const { parseConfig } = createConfigReader(kinds);

const section = {
  type: 'guestbook',
  book: 'https://hotel.example.com/guests',
  password: 'canary-password',
  guests: ['ada', 'grace'],
};
const configured = (keys: object = {}, others: object = {}) =>
  parseConfig({ ...minimal, provider: { ...section, ...keys }, ...others });
const problems = (keys: object, others: object = {}) =>
  problemsOf(() => configured(keys, others)).map(({ path, message }) => `${path}: ${message}`);

function open() {
  return createProvider(
    {
      config: configured().provider,
      redirectUri: 'https://app.example.com/auth/callback',
      sessionClaims: [],
      refreshTimeoutMs: 1_000,
      signingKeys: createSigningKeys([]),
      clock: () => 5_000,
      log: collectLog().log,
      metrics: createMetrics(),
    },
    kinds,
  );
}

describe('a provider kind of one folder and one line in the list of kinds', () => {
  it('accepts its own configuration keys and those of every provider', () => {
    expect(configured().provider).toEqual({
      ...section,
      timeout: 10_000,
      proxy: expect.objectContaining({ kind: 'environment' }),
      tls: {},
    });
  });

  it('signs users in', async () => {
    const signIn = await open().passwordLogin?.signIn({ username: 'ada', password: 'p' });
    expect(signIn).toMatchObject({ subject: 'ada', claims: { isGuest: true }, sentAtMs: 5_000 });
  });

  it('runs its own diagnosis', async () => {
    expect(await open().diagnose()).toEqual([{ name: 'guests', verdict: 'ok', detail: '2 in the book' }]);
  });

  it('has a name', () => {
    expect(nameOf(configured().provider, kinds)).toBe('hotel.example.com');
  });

  it('checks its own rules, with paths in the whole configuration', () => {
    expect(problems({ guests: ['ada', 'ada'] })).toEqual([
      'provider.guests: expected each guest once, got a list',
    ]);
  });

  it('appears among the expected types when the type of a provider is wrong', () => {
    expect(problems({ type: 'saml' })).toEqual([
      'provider.type: expected oidc, oauth2, credentials or guestbook, got a string of 4 characters',
    ]);
  });

  it('rejects plain http to another machine in its URLs', () => {
    expect(problems({ book: 'http://hotel.example.com/' })).toEqual([
      expect.stringMatching(/^provider\.book: expected https/),
    ]);
  });

  it('hides its secrets in configuration problems', () => {
    expect(problems({ password: [section.password] })).toEqual([
      'provider.password: expected the password of the book, got a list',
    ]);
    expect(problems({ password: 4711 })).toEqual([
      'provider.password: expected the password of the book, got a number',
    ]);
  });

  it('issues one access token for all routes, as it declares', () => {
    expect(problems({}, { routes: [{ ...route, scopes: ['a'] }] })).toEqual([
      'routes[0].scopes: a provider of type guestbook issues one access token for all routes; remove it',
    ]);
  });
});

describe('the list of provider kinds', () => {
  it('rejects a configuration section of another kind', () => {
    const { provider } = configured();
    expect(oidcKind.owns(provider)).toBe(false);
    expect(() => oidcKind.nameOf(provider)).toThrow(
      'expected a provider section of type oidc, got guestbook',
    );
  });

  it('creates only kinds in the list', () => {
    expect(() => nameOf(configured().provider)).toThrow('unknown provider type: guestbook');
  });
});
