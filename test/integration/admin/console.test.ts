import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';

let testGateway: TestGateway;

beforeAll(async () => {
  testGateway = await openTestGateway({ config: { admin: { token: TOKEN } } });
});

afterAll(() => testGateway.close());

const ask = (method: string, path = '/') => fetch(`${testGateway.gateway.adminUrl}${path}`, { method });

describe('the admin console', () => {
  it('has a Content-Security-Policy that allows only its own script and style (standards: E22)', async () => {
    const response = await ask('GET');
    const html = await response.text();
    expect(response.status).toBe(200);
    const named = (element: string) => {
      const content = new RegExp(`<${element}[^>]*>([^]*?)</${element}>`).exec(html)?.[1] ?? '';
      expect(content).not.toBe('');
      return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
    };
    expect(response.headers.get('content-security-policy')?.split(';').toSorted()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      'img-src data:',
      "require-trusted-types-for 'script'",
      `script-src ${named('script')}`,
      `style-src ${named('style')}`,
      "trusted-types 'none'",
    ]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  });

  it('loads nothing from other hosts and has no inline event handlers', async () => {
    const html = await (await ask('GET')).text();
    expect(html).not.toMatch(/https?:|\/\/\w|\bsrc=|\son\w+=|\sstyle=/);
  });

  it('is served without a token and does not contain the admin token', async () => {
    expect(await (await ask('GET')).text()).not.toContain(TOKEN);
  });

  it('supports only GET and HEAD on /', async () => {
    const head = await ask('HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const response = await ask(method);
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    }
    for (const path of ['/index.html', '/console.html', '/console', '/x'])
      expect((await ask('GET', path)).status).toBe(404);
  });

  it('is not served on the public listener', async () => {
    const response = await testGateway.browser().navigate('/');
    expect(response.response).toMatchObject({ status: 404 });
  });
});
