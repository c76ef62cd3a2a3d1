import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { ConfigError, formatProblems } from '../../../src/config/config-error.ts';
import { load, minimal, route } from './sample.ts';
import { place, schemaKeys } from './schema-keys.ts';

const CANARY = 'canary-7f3aQ9';
/** Parts of the canaries: of the text, of the one of digits, and of the one of letters. */
const TRACES = /canary|7f3aQ9|7031294613/;

/** A secret as people write it in the wrong place. */
const forms: readonly unknown[] = [
  CANARY,
  7_031_294_613,
  'pass${canary}x',
  `/${CANARY}`,
  `{canary} ${CANARY}`,
  [CANARY],
  { [CANARY]: CANARY },
  [{ [CANARY]: CANARY }],
];

const providers: Record<string, object> = {
  oidc: minimal.provider,
  oauth2: {
    type: 'oauth2',
    authorizationEndpoint: 'https://login.example.com/authorize',
    tokenEndpoint: 'https://login.example.com/token',
    clientId: 'web',
    clientSecret: 'client-secret',
    subject: '/sub',
  },
  credentials: {
    type: 'credentials',
    login: { url: 'https://login.example.com/login', body: { u: '{username}', p: '{password}' } },
    response: { accessToken: '/token' },
  },
};

/** Everything that the error of a configuration with a value at one more place shows; undefined when it is accepted. */
function errorWith(kind: string, path: readonly string[], value: unknown): string | undefined {
  const input = structuredClone({ ...minimal, provider: providers[kind], routes: [route] });
  place(input, path, value);
  try {
    load(stringify(input));
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [error.stack, JSON.stringify(error), formatProblems('file.yaml', error.problems)].join('\n');
  }
}

/** Hundreds of configurations are read, for which a busy machine takes its time. */
const TIMEOUT_MS = 60_000;

const keys = schemaKeys().map(({ path, kind = 'oidc' }) => ({ steps: path.split('.'), kind }));

describe('a secret written by mistake', { timeout: TIMEOUT_MS }, () => {
  it('appears in no error message, whichever key it is written at', () => {
    let rejected = 0;
    for (const { steps, kind } of keys) {
      for (const form of forms) {
        const error = errorWith(kind, steps, form);
        if (error === undefined) continue;
        rejected += 1;
        expect(error).not.toMatch(TRACES);
      }
    }
    expect(rejected).toBeGreaterThan(keys.length * 5);
  });

  it('appears in no error message when it is, or belongs to, an unknown key of any section', () => {
    const sections = new Map(keys.map(({ steps, kind }) => [[kind, ...steps.slice(0, -1)].join('.'), kind]));
    for (const [place, kind] of sections) {
      const [, ...section] = place.split('.');
      for (const form of forms) expect(errorWith(kind, [...section, 'other'], form)).not.toMatch(TRACES);
      for (const name of [CANARY, 'canary is three words'])
        expect(errorWith(kind, [...section, name], null)).not.toMatch(TRACES);
    }
  });
});

it.each(['client\0secret', 'client\nsecret', '\u007f'])(
  'a client secret with a control character is rejected: %j',
  (clientSecret) => {
    for (const kind of ['oidc', 'oauth2'])
      expect(errorWith(kind, ['provider', 'clientSecret'], clientSecret)).toContain(
        'provider.clientSecret: expected the client secret, without control characters, got a string of',
      );
  },
);
