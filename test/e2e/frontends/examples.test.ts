import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChromium } from '../../../testkit/browsers/chromium.ts';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import { type Behaviour, status } from '../../../testkit/upstream/behaviours.ts';
import { eventStream } from '../../../testkit/upstream/streams.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const patiently = { timeout: 60_000 };
const json = { 'content-type': 'application/json' };

/** What the API requires for `/api/transfer` (RFC 9470), until the access token shows it. */
const CHALLENGE = {
  'www-authenticate': 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"',
};

const isGold = (accessToken = '') => decodeJwt(accessToken)['acr'] === 'gold';

/** The API of the examples. */
const api: Behaviour = (request, response, record) => {
  switch (record.target) {
    case '/api/items':
      return status(200, json, '["umbrella","coat"]')(request, response, record);
    case '/api/events':
      return eventStream(['tick'], 10)(request, response, record);
    case '/api/transfer':
      return (isGold(record.bearer) ? status(204) : status(401, CHALLENGE))(request, response, record);
    case '/api/files':
      return status(201)(request, response, record);
    default:
      return status(404)(request, response, record);
  }
};

describe.each(['react', 'typescript'])('the example %s', (example) => {
  let provider: FakeProvider;
  let upstream: Upstream;
  let gateway: RunningGateway;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coatcheck-example-'));
    const dist = join(root, 'packages/client/dist');
    await build({
      root: join(root, 'examples', example),
      configFile: false,
      logLevel: 'error',
      resolve: {
        alias: {
          'coatcheck-client/react': join(dist, 'react.js'),
          'coatcheck-client': join(dist, 'index.js'),
        },
      },
      build: { outDir: directory, emptyOutDir: true },
    });
    [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
    upstream.respond(api);
    const routes = [{ path: '/api', upstream: upstream.url, websocket: true }];
    gateway = await startGateway({ provider, upstream, config: { routes, spa: { directory } } });
    browser = await startChromium();
    context = await browser.newContext();
    page = await context.newPage();
  });

  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
    await Promise.all([provider?.close(), upstream?.close()]);
    await rm(directory, { recursive: true, force: true });
  });

  const text = (of: Page, selector: string) => of.locator(selector).innerText();

  async function signIn(): Promise<void> {
    await page.goto(gateway.url);
    await page.click('text=Sign in');
    await page.waitForSelector('#name');
  }

  it('names the versions of its dependencies that the tests use', async () => {
    const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const { dependencies, devDependencies } = JSON.parse(
      await readFile(join(root, 'examples', example, 'package.json'), 'utf8'),
    );
    expect({ ...own.devDependencies, 'coatcheck-client': `^${own.version}` }).toMatchObject({
      ...dependencies,
      ...devDependencies,
    });
  });

  it('signs in, calls the API, and receives messages of a WebSocket and of an event stream', async () => {
    await signIn();
    expect(await text(page, '#name')).toBe('Alice Example');
    await page.click('text=Load items');
    await expect.poll(() => text(page, '#items'), patiently).toBe('umbrella, coat');
    await expect.poll(() => text(page, '#socket'), patiently).toBe('hello');
    await expect.poll(() => text(page, '#events'), patiently).toBe('tick');
  });

  it('uploads a file and shows the progress', async () => {
    const buffer = Buffer.alloc(300_000, 'x');
    await page.setInputFiles('input', { name: 'coat.txt', mimeType: 'text/plain', buffer });
    await expect.poll(() => text(page, '#progress'), patiently).toBe('100 %, status 201');
    const [sent] = upstream.requests.filter(({ target }) => target === '/api/files');
    expect(sent).toMatchObject({ method: 'POST', bodyBytes: buffer.length });
  });

  it('offers the sign-in that a call needs, which asks the provider for it and comes back, and the call succeeds', async () => {
    await page.click('text=Transfer');
    await expect.poll(() => text(page, '#notice'), patiently).toContain('This call needs a fresh sign-in.');
    expect(await text(page, '#name')).toBe('Alice Example');
    await page.click('text=Sign in again');
    await page.waitForURL(`${gateway.url}/`);
    await expect.poll(() => text(page, '#name'), patiently).toBe('Alice Example');
    const asked = provider.requests.findLast(({ endpoint }) => endpoint === 'authorize');
    expect(asked?.query).toMatchObject({ acr_values: 'gold', max_age: '60' });
    expect(await text(page, '#transfer')).toBe('');
    await page.click('text=Transfer');
    await expect.poll(() => text(page, '#transfer'), patiently).toBe('Transferred.');
  });

  it('removes the user from the screen when another tab signs out', async () => {
    const other = await context.newPage();
    await other.goto(gateway.url);
    await other.waitForSelector('#name');
    await page.click('text=Sign out');
    await expect.poll(() => text(other, '#notice'), patiently).toBe('You have signed out.');
    expect(await text(other, 'main')).not.toContain('Alice');
    await expect.poll(() => text(page, '#notice'), patiently).toBe('Welcome.');
    await other.close();
  });

  it('shows a notice when the WebSocket and the event stream report that the session has ended', async () => {
    await signIn();
    await expect.poll(() => text(page, '#socket'), patiently).toBe('hello');
    const query = new URLSearchParams({
      iss: provider.issuer,
      sid: provider.families.at(-1)?.grant.sid ?? '',
    });
    await fetch(`${gateway.url}/auth/frontchannel-logout?${query}`);
    await expect.poll(() => text(page, '#notice'), patiently).toBe('Your session has ended.');
    expect(await text(page, 'main')).not.toContain('Alice');
  });
});
