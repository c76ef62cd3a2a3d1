import { describe, expect, it } from 'vitest';
import { readProxyEnvironment } from '../../../../src/config/outgoing-proxy.ts';
import { createProxyFor } from '../../../../src/provider/http/proxy.ts';

/** The proxy for a URL in an environment; undefined when the connection is direct. */
function proxyIn(env: Record<string, string>, url: string): string | undefined {
  const { proxies } = readProxyEnvironment(env);
  const { protocol, hostname, port } = new URL(url);
  const proxyFor = createProxyFor({ kind: 'environment', ...proxies });
  const host = hostname.replace(/^\[|\]$/g, '');
  return proxyFor({ protocol, host, port: Number(port || (protocol === 'https:' ? 443 : 80)) })?.href;
}

const proxied = { HTTPS_PROXY: 'http://proxy:3128', HTTP_PROXY: 'http://other:8080' };

describe('provider.proxy: env', () => {
  it.each([
    ['nothing', {}, undefined],
    ['HTTPS_PROXY', proxied, 'http://proxy:3128/'],
    ['https_proxy', { https_proxy: 'http://lower:1' }, 'http://lower:1/'],
    [
      'both, of which the one in lower case counts',
      { ...proxied, https_proxy: 'http://lower:1' },
      'http://lower:1/',
    ],
    ['an empty HTTPS_PROXY', { HTTPS_PROXY: '' }, undefined],
    ['HTTP_PROXY, which is not for https', { HTTP_PROXY: 'http://other:8080' }, undefined],
    ['no scheme', { HTTPS_PROXY: 'proxy:3128' }, 'http://proxy:3128/'],
  ])('with %s', (_what, env, proxy) => {
    expect(proxyIn(env, 'https://login.example.com')).toBe(proxy);
  });

  it('takes HTTP_PROXY for http', () => {
    expect(proxyIn(proxied, 'http://login.example.com')).toBe('http://other:8080/');
  });

  it.each([
    'https://localhost:8443',
    'https://keycloak.localhost',
    'https://127.0.0.1',
    'https://127.1.2.3',
    'https://[::1]',
  ])('connects directly to %s', (url) => {
    expect(proxyIn(proxied, url)).toBeUndefined();
  });

  it.each([
    ['*', 'https://login.example.com', false],
    ['login.example.com', 'https://login.example.com', false],
    ['LOGIN.example.com', 'https://login.EXAMPLE.com', false],
    ['login.example.com', 'https://login.example.com.', false],
    ['example.com', 'https://login.example.com', false],
    ['.example.com', 'https://login.example.com', false],
    ['.example.com', 'https://example.com', false],
    ['*.example.com', 'https://login.example.com', false],
    ['example.com', 'https://badexample.com', true],
    ['com.example', 'https://login.example.com', true],
    ['other.test, example.com', 'https://login.example.com', false],
    ['other.test example.com', 'https://login.example.com', false],
    ['example.com:443', 'https://login.example.com', false],
    ['example.com:8443', 'https://login.example.com', true],
    ['example.com:8443', 'https://login.example.com:8443', false],
    ['10.0.0.0/8', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://11.1.2.3', true],
    ['10.1.2.3', 'https://10.1.2.3:8443', false],
    ['[2001:db8::1]:443', 'https://[2001:db8::1]', false],
    ['2001:db8::1', 'https://[2001:db8::1]', false],
    ['2001:db8::/32', 'https://[2001:db8::7]', false],
    ['10.0.0.0/99', 'https://10.1.2.3', true],
    ['.', 'https://login.example.com', true],
    ['', 'https://login.example.com', true],
  ])('with NO_PROXY %j and %s, the proxy is used: %s', (noProxy, url, isUsed) => {
    expect(proxyIn({ ...proxied, NO_PROXY: noProxy }, url) !== undefined).toBe(isUsed);
  });
});

it('goes through an explicit proxy to every target, and through none with none', () => {
  const local = { protocol: 'http:', host: '127.0.0.1', port: 80 };
  expect(createProxyFor({ kind: 'url', url: 'http://proxy:3128/' })(local)?.href).toBe('http://proxy:3128/');
  expect(createProxyFor({ kind: 'none' })(local)).toBeUndefined();
});
