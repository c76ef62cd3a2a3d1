import { describe, expect, it } from 'vitest';
import { createCertificateAuthority } from '../../../testkit/network/certificate-authority.ts';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { load, minimal, problemsOf, problemsWith } from './sample.ts';

const problems = (provider: object) => problemsWith({ provider: { ...minimal.provider, ...provider } });
const parse = (provider: object, keys: object = {}) =>
  parseConfig({ ...minimal, ...keys, provider: { ...minimal.provider, ...provider } });
const text = JSON.stringify(minimal);

describe('provider.proxy', () => {
  it.each(['env', 'none', 'http://proxy:3128', 'https://user:p%40ss@[::1]:3128/'])('accepts %s', (proxy) => {
    expect(() => parse({ proxy })).not.toThrow();
  });

  it.each(['proxy:3128', 'socks5://proxy', 'http://proxy/path', 'http://u:%@proxy', 'http://proxy:99999'])(
    'rejects %s without showing credentials',
    (proxy) => {
      const [problem] = problems({ proxy });
      expect(problem).toMatch(/^provider\.proxy: expected env, none, or the URL of a proxy/);
      expect(problem).toContain('got a string of');
    },
  );

  it('reads the environment by default, and nothing of it otherwise', () => {
    const env = { HTTPS_PROXY: 'http://proxy:3128', no_proxy: 'internal' };
    expect(load(text, { env }).provider.proxy).toEqual({
      kind: 'environment',
      httpsProxy: 'http://proxy:3128/',
      noProxy: 'internal',
    });
    const none = JSON.stringify({ ...minimal, provider: { ...minimal.provider, proxy: 'none' } });
    expect(load(none, { env: { HTTPS_PROXY: 'socks5://proxy' } }).provider.proxy).toEqual({ kind: 'none' });
  });

  it('names the variable that holds no URL of an HTTP proxy, without its value', () => {
    const env = { HTTPS_PROXY: 'socks5://user:canary@proxy' };
    expect(problemsOf(() => load(text, { env }))).toEqual([
      {
        path: 'provider.proxy',
        message:
          'the environment variable HTTPS_PROXY is not the URL of an HTTP proxy; correct it, or set provider.proxy to none or to a URL',
      },
    ]);
  });
});

describe('a tls section', () => {
  const authority = createCertificateAuthority();
  const one = authority.issue('one');
  const other = authority.issue('other');

  it('accepts certificates, and a certificate with its key', () => {
    const ca = `# two of them\n${authority.certificate}\n${createCertificateAuthority().certificate}`;
    const tls = { ca, certificate: one.cert, key: one.key };
    expect(parse({ tls }).provider.tls).toEqual(tls);
  });

  it.each<[string, object, string]>([
    [
      'no certificate',
      { ca: 'nothing' },
      'tls.ca: expected one or more certificates in PEM, got a string of 7',
    ],
    [
      'a key as a certificate',
      { certificate: one.key, key: one.key },
      'tls.certificate: expected one or more',
    ],
    ['a damaged certificate', { ca: one.cert.replace('MI', 'xx') }, 'tls.ca: expected one or more'],
    [
      'a certificate as a key',
      { certificate: one.cert, key: one.cert },
      'tls.key: expected an unencrypted private key',
    ],
    [
      'a certificate without its key',
      { certificate: one.cert },
      'tls.key: missing or empty; certificate requires it',
    ],
    ['a key without its certificate', { key: one.key }, 'tls.certificate: missing or empty; key requires it'],
    [
      'the key of another certificate',
      { certificate: one.cert, key: other.key },
      'tls.key: not the private key',
    ],
  ])('rejects %s without showing it', (_what, tls, problem) => {
    const found = problems({ tls });
    expect(found).toEqual([expect.stringContaining(`provider.${problem}`)]);
    expect(found.join()).not.toMatch(/BEGIN|MI[A-Z]/);
  });
});

describe('where the provider is', () => {
  it('may be http elsewhere only with allowInsecureHttp', () => {
    const provider = {
      discoveryUrl: 'http://keycloak:8080/realms/acme/.well-known/openid-configuration',
      endpoints: { token: 'http://keycloak:8080/token' },
    };
    expect(problems(provider)).toEqual([
      expect.stringMatching(/^provider\.discoveryUrl: expected https/),
      expect.stringMatching(/^provider\.endpoints\.token: expected https/),
    ]);
    expect(() => parse(provider, { allowInsecureHttp: true })).not.toThrow();
  });
});

describe('the credentials of Redis', () => {
  const { certificate } = createCertificateAuthority();
  const session = (keys: object) => problemsWith({ session: { ...minimal.session, ...keys } });

  it.each<[string, object, string]>([
    [
      'a password in both places',
      { store: 'redis://:a@redis', password: 'b' },
      'password: session.store has a password as well',
    ],
    [
      'a user in both places',
      { store: 'rediss+cluster://u:a@h', username: 'v' },
      'username: session.store has a username as well',
    ],
    [
      'a password for the memory',
      { password: 'b' },
      'password: session.store is memory:, which does not use it',
    ],
    [
      'a Sentinel password without Sentinels',
      { store: 'redis://redis', sentinelPassword: 'b' },
      'sentinelPassword: only session.store redis+sentinel: uses it',
    ],
    [
      'TLS without rediss',
      { store: 'redis://redis', tls: { ca: certificate } },
      'tls: session.store does not use TLS; write rediss',
    ],
  ])('are rejected with %s', (_what, keys, problem) => {
    expect(session(keys)).toEqual([expect.stringContaining(`session.${problem}`)]);
  });

  it('are accepted beside an address', () => {
    const keys = {
      username: 'u',
      password: 'p@:/',
      sentinelUsername: 's',
      sentinelPassword: 'x',
      tls: { ca: certificate },
    };
    const store = 'rediss+sentinel://h1,h2/mymaster';
    expect(
      parseConfig({ ...minimal, session: { ...minimal.session, store, ...keys } }).session,
    ).toMatchObject(keys);
  });
});
