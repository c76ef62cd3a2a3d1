import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { rawRequest } from '../../../testkit/network/raw-client.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { openTestGateway, type TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { startVendorApi } from '../../../testkit/providers/vendor-api.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';

let testGateway: TestGateway;

beforeAll(async () => {
  testGateway = await openTestGateway();
});

afterAll(() => testGateway.close());

const navigation = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};

/** Checks what holds for every page, and gives its link. */
function expectPage(response: AgentResponse, status: number, title: string): string {
  const html = response.text();
  expect(response.status).toBe(status);
  expect(response.header('content-type')).toBe('text/html; charset=utf-8');
  expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
  expect(html).toContain(`<title>${title}</title>`);
  expect(html.match(/<h1>.*?<\/h1>/g)).toEqual([`<h1>${title}</h1>`]);
  expect(html).not.toMatch(/<script|\bon\w+=|javascript:/i);
  expect(html).toContain(`<code>${response.header('x-request-id')}</code>`);
  expect(response.header('cache-control')).toBe('no-store');
  expect(response.header('x-content-type-options')).toBe('nosniff');
  expect(response.header('x-frame-options')).toBe('DENY');
  expect(response.header('referrer-policy')).toBe('no-referrer');
  expect(response.header('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  return /<a href="([^"]*)"/.exec(html)?.[1] ?? '';
}

describe('a navigation that ends in an error of the gateway', () => {
  it.each([
    ['an API without a session', '/api/a?b=1', 401, 'Sign in first', '/auth/login'],
    ['a path that nothing serves', '/nowhere', 404, 'Page not found', '/'],
    ['an unknown endpoint', '/auth/nowhere', 404, 'Page not found', '/'],
    ['the sign-out endpoint', '/auth/logout', 405, 'This address cannot be opened', '/'],
    ['a callback without a sign-in', '/auth/callback', 400, 'Sign-in failed', '/auth/login'],
    ['a reloaded callback', '/auth/callback?code=x&state=y', 400, 'This sign-in is over', '/auth/login'],
    ['a malformed path', '/%ff%00', 400, 'Request not understood', '/'],
  ])('shows a page for %s', async (_what, path, status, title, link) => {
    const { response } = await testGateway.browser().navigate(path);
    expect(expectPage(response, status, title)).toBe(link);
  });

  it('shows the sign-in page for a session that has ended, and clears its cookie', async () => {
    const other = await openTestGatewayForTest({ config: { session: { idleTimeout: '1m' } } });
    await other.agent.signIn();
    other.advance(61_000);
    const { response } = await other.agent.navigate('/api/one');
    expectPage(response, 401, 'Your session has ended');
    expect(response.setCookies).toEqual([expect.stringMatching(/^coatcheck=; .*Max-Age=0/)]);
  });

  it('shows a page for a wrong host, with the address of the application', async () => {
    const response = await testGateway.browser().get('/', {
      headers: { ...navigation, host: 'evil.example' },
    });
    expect(expectPage(response, 421, 'Wrong address')).toBe(`${testGateway.gateway.url}/`);
    expect(response.text()).not.toContain('evil.example');
  });

  it('shows a page for a form of another site', async () => {
    const { response } = await testGateway.browser().navigate('/auth/logout', {
      form: {},
      headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    });
    expect(expectPage(response, 403, 'Request not accepted')).toBe('/');
  });

  it('shows a page for an API that cannot be reached, with the same address to try again', async () => {
    const routes = [{ path: '/down', upstream: 'http://127.0.0.1:1', auth: 'none' }];
    const other = await openTestGatewayForTest({ routes });
    const { response } = await other.agent.navigate('/down/report?a=1&b="<script>');
    const link = expectPage(response, 502, 'Not available at the moment');
    expect(link).toBe('/down/report?a=1&#38;b=%22%3Cscript%3E');
    const problem = await other.agent.fetch('/down/report');
    expect(problem.json()).toMatchObject({ code: 'upstream_unreachable' });
  });

  it('shows a page while the provider is down, with Retry-After and the same address to try again', async () => {
    const provider = await startFakeProvider();
    await provider.stop();
    const other = await openTestGatewayForTest({ provider });
    const { response } = await other.agent.navigate('/auth/login?returnTo=/inbox');
    expect(expectPage(response, 503, 'Sign-in is not available at the moment')).toBe(
      '/auth/login?returnTo=/inbox',
    );
    expect(response.header('retry-after')).toMatch(/^\d+$/);
  });

  it('shows a page while the store is down, with the same address to try again', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const config = { session: { cache: { maxAge: '0s' } } };
    const other = await openTestGatewayForTest({ store: redis.url, config });
    await other.agent.signIn();
    await redis.stop();
    const { response } = await other.agent.navigate('/api/one?a=1');
    expect(expectPage(response, 503, 'Not available at the moment')).toBe('/api/one?a=1');
    expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(response.setCookies).toEqual([]);
  });

  it('shows a page for a form that is too large', async () => {
    const other = await openTestGatewayForTest({ routes: [{ path: '/small', maxBody: '2' }] });
    await other.agent.signIn();
    const { response } = await other.agent.navigate('/small/one', {
      form: { note: 'more than two bytes' },
      headers: { 'sec-fetch-site': 'same-origin', origin: other.gateway.url },
    });
    expect(expectPage(response, 413, 'Too large')).toBe('/');
  });

  it('shows a page to whoever tries to sign in too often, with the same address to try again', async () => {
    const other = await openTestGatewayForTest({ config: { rateLimit: { login: 1 } } });
    const visitor = other.browser();
    await visitor.get('/auth/login', { headers: navigation });
    const response = await visitor.get('/auth/login?returnTo=/inbox', { headers: navigation });
    expect(expectPage(response, 429, 'Too many requests')).toBe('/auth/login?returnTo=/inbox');
    expect(response.header('retry-after')).toMatch(/^[1-9]\d*$/);
  });

  it('shows a page to clients without fetch metadata that accept HTML, and none for HEAD', async () => {
    const accept = { headers: { accept: 'text/html' } };
    expectPage(await testGateway.browser().get('/nowhere', accept), 404, 'Page not found');
    const head = await testGateway.browser().request('/nowhere', { method: 'HEAD', ...accept });
    expect(head.header('content-type')).toBe('text/html; charset=utf-8');
    expect(head.body).toHaveLength(0);
  });

  it('shows a page in Firefox behind a service worker that passes navigations on', async () => {
    const response = await testGateway.browser().get('/nowhere', {
      headers: { accept: 'text/html', 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' },
    });
    expectPage(response, 404, 'Page not found');
  });

  it('leads to the app, and not to the sign-in endpoint, where people sign in on a page of the app', async () => {
    const config = { login: { defaultReturnTo: '/home' } };
    const other = await openProviderFixture({ open: startVendorApi }, { config });
    onTestFinished(() => other.close());
    const { response } = await other.agent.navigate('/api/one');
    expect(expectPage(response, 401, 'Sign in first')).toBe('/home');
  });

  it.each([
    ['a fetch', { ...navigation, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
    ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/*' }],
    ['a program', {}],
    ['a program that accepts anything', { accept: '*/*' }],
  ])('does not concern %s, which gets a problem document', async (_what, headers) => {
    const response = await testGateway.browser().get('/nowhere', { headers });
    expect(response.status).toBe(404);
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(response.json()).toMatchObject({ code: 'not_found' });
  });

  it('closes the connection after a malformed request', async () => {
    const host = new URL(testGateway.gateway.url).host;
    const response = await rawRequest(
      testGateway.gateway.port,
      `GET /../x HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\n\r\n`,
    );
    expect(response.status).toBe(400);
    expect(response.body.toString()).toContain('Request not understood');
  });
});

describe('login.errorPage', () => {
  it('replaces the page, with escaped values and a policy that lets it load styles and images of this origin', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'coatcheck-')), 'error.html');
    await writeFile(
      file,
      '<!doctype html><html lang="de"><title>{{title}}</title><link rel="stylesheet" href="/a.css">' +
        '<p>{{ detail }}<a href="{{retryUrl}}">{{retryLabel}}</a><i>{{requestId}}</i>',
    );
    const other = await openTestGatewayForTest({ config: { login: { errorPage: file } } });
    const { response } = await other.agent.navigate('/api/a');
    expect(response.status).toBe(401);
    expect(response.text()).toBe(
      '<!doctype html><html lang="de"><title>Sign in first</title><link rel="stylesheet" href="/a.css">' +
        '<p>You must be signed in to see this page.' +
        `<a href="/auth/login">Sign in</a><i>${response.header('x-request-id')}</i>`,
    );
    expect(response.header('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });
});
