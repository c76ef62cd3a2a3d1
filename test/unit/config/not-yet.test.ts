import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.ts';
import { minimal, problemsWith, route } from './sample.ts';

const provider = (keys: Record<string, unknown>) => ({ provider: { ...minimal.provider, ...keys } });
const session = (keys: Record<string, unknown>) => ({ session: { ...minimal.session, ...keys } });
const redis = session({ store: 'redis://127.0.0.1' });

describe('a feature of a later version', () => {
  it.each([
    ['workers: more than one worker', { ...redis, workers: 2 }],
    ['workers: more than one worker', { ...redis, workers: '8' }],
    ['workers: one worker for each core', { ...redis, workers: 'auto' }],
    ['provider.login: login on another device', provider({ login: 'decoupled' })],
    ['provider.clientAuthentication: private_key_jwt', provider({ clientAuthentication: 'private_key_jwt' })],
    ['provider.privateKey: client authentication by a private key', provider({ privateKey: 'key' })],
    ['session.maxPerUser: a limit on the sessions of one person', session({ maxPerUser: 3 })],
  ])('is refused, not ignored: %s', (problem, keys) => {
    expect(problemsWith(keys)).toEqual([`${problem} is not in this version`]);
  });

  it.each([
    [
      'a plain OAuth 2.0 provider',
      { type: 'oauth2', authorizationEndpoint: 'https://x', tokenEndpoint: 'https://x' },
    ],
    [
      'a provider with its own login endpoint',
      { type: 'credentials', login: { url: 'https://x' }, refresh: {} },
    ],
  ])('is one problem, whatever keys come with it: %s', (feature, other) => {
    expect(problemsWith({ provider: other })[0]).toBe(`provider.type: ${feature} is not in this version`);
    expect(problemsWith({ provider: other }).filter((text) => text.includes('unknown key'))).toEqual([]);
  });

  it('is accepted with the value that does without it', () => {
    const config = {
      ...minimal,
      workers: 1,
      session: { ...minimal.session, maxPerUser: 0 },
      routes: [{ ...route, scopes: [], resource: [] }],
    };
    expect(() => parseConfig(config)).not.toThrow();
  });

  it('is told together with everything else that is wrong', () => {
    expect(problemsWith({ ...redis, workers: 2, listen: 'nowhere' })).toHaveLength(2);
  });
});
