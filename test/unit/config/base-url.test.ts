import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { minimal, problemsWith, route } from './sample.ts';

describe('baseUrl', () => {
  it.each([
    ['https://app.example.com', 'https://app.example.com'],
    ['https://app.example.com/', 'https://app.example.com'],
    ['https://App.Example.com:443', 'https://app.example.com'],
    ['https://app.example.com:8443', 'https://app.example.com:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['http://127.1.2.3:80', 'http://127.1.2.3'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
  ])('baseUrl %s is read as the origin %s', (baseUrl, origin) => {
    expect(parseConfig({ ...minimal, baseUrl }).baseUrl).toBe(origin);
  });

  it.each([
    'app.example.com',
    'ftp://app.example.com',
    'https://app.example.com/app',
    'https://app.example.com/?',
    'https://app.example.com#top',
    'https://user@app.example.com',
    'https:\\\\app.example.com',
    'https:app.example.com',
    'https://app.example.com\t',
    'https://app.example.com:99999',
    'https://',
  ])('baseUrl rejects %o, which is not just an http(s) origin', (baseUrl) => {
    expect(problemsWith({ baseUrl })).toEqual([
      expect.stringMatching(/^baseUrl: expected an http\(s\) origin/),
    ]);
  });
});

describe('plain http to another machine', () => {
  const refusal = /expected https, because this is not a loopback host and allowInsecureHttp is not true/;
  const insecure = [
    ['baseUrl', { baseUrl: 'http://app.example.com' }],
    ['provider.issuer', { provider: { ...minimal.provider, issuer: 'http://login.example.com' } }],
    ['routes[0].upstream', { routes: [{ ...route, upstream: 'http://api.internal' }] }],
    ['spa.devServer', { spa: { devServer: 'http://vite.internal:5173' } }],
  ] as const;

  it.each(insecure)('plain http is rejected for %s', (path, keys) => {
    expect(problemsWith(keys)).toEqual([expect.stringMatching(refusal)]);
    expect(problemsWith(keys)[0]).toMatch(`${path}: `);
  });

  it.each(insecure)('plain http is accepted for %s with allowInsecureHttp', (_, keys) => {
    expect(() => parseConfig({ ...minimal, ...keys, allowInsecureHttp: true })).not.toThrow();
  });

  it.each(['localhost', '127.0.0.1', '127.8.9.1', '[::1]'])(
    'plain http is accepted for the loopback host %s',
    (host) => {
      const url = `http://${host}:8080`;
      const provider = { ...minimal.provider, issuer: url };
      const routes = [{ ...route, upstream: url }];
      expect(() => parseConfig({ ...minimal, baseUrl: url, provider, routes })).not.toThrow();
    },
  );

  it.each(['localhost.example.com', '127.example.com', '0.0.0.0', '[::ffff:10.0.0.1]', 'localhost.'])(
    'plain http is rejected for %s, which only looks like a loopback host',
    (host) => {
      expect(problemsWith({ baseUrl: `http://${host}` })).toEqual([expect.stringMatching(refusal)]);
    },
  );
});
