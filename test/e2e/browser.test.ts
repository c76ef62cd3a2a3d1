import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Demo, startDemo } from '../../demo/demo.ts';
import { isTrouble } from '../../demo/log-line.ts';
import { startChromium } from '../../testkit/browsers/chromium.ts';
import { type TokenRecorder, recordTokens } from '../../testkit/secrets/token-recorder.ts';

const patiently = { timeout: 60_000 };

/** Anything with the shape of a JSON Web Token. */
const jwt = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/;

describe('the complete flow in a browser with a provider that issues one-time refresh tokens', () => {
  let demo: Demo;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let recorder: TokenRecorder;
  const troubles: string[] = [];
  const received: string[] = [];
  const reads: Promise<unknown>[] = [];

  beforeAll(async () => {
    recorder = recordTokens();
    const root = fileURLToPath(new URL('../..', import.meta.url));
    demo = await startDemo({
      root,
      port: undefined,
      onLog: (line) => isTrouble(line) && troubles.push(line.message),
    });
    browser = await startChromium();
    context = await browser.newContext();
    page = await context.newPage();
    page.on('response', (response) => reads.push(keep(response)));
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => received.push(String(payload))),
    );
  });

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
    recorder.close();
  });

  async function keep(response: Response): Promise<void> {
    const headers = await response.headersArray().catch(() => []);
    received.push(response.url(), ...headers.map(({ name, value }) => `${name}: ${value}`));
    const body = await response.body().catch(() => Buffer.alloc(0));
    received.push(body.toString('latin1'));
  }

  const figure = async (id: string) => Number(await page.locator(`#${id}`).innerText());

  it('shows the app to a visitor without a session and rejects an API call without contacting the API', async () => {
    await page.goto(demo.url);
    await page.click('#call-anonymously');
    await expect.poll(() => page.locator('#anonymous-response').innerText()).toContain('session_required');
  });

  it('signs a user in at the provider and returns to the app', async () => {
    await page.click('#sign-in');
    await page.click('button[value="ada"], button:has-text("Ada")');
    await page.waitForSelector('#signed-in:not([hidden])');
    expect(page.url()).toBe(`${demo.url}/`);
    await expect.poll(() => page.locator('#response-line').innerText()).toContain('200 GET /api/me');
  });

  it('keeps the user signed in after a reload', async () => {
    await page.reload();
    await page.waitForSelector('#signed-in:not([hidden])');
  });

  it('refreshes tokens during a continuous series of calls without a failed call', async () => {
    await page.click('#stream');
    await expect.poll(() => figure('tokens'), { timeout: 150_000 }).toBeGreaterThanOrEqual(3);
    expect(await figure('failed')).toBe(0);
    expect(await figure('calls')).toBeGreaterThan(100);
  });

  it('continues when the API rejects the current token before its expiry', async () => {
    const before = await figure('tokens');
    await page.click('#reject');
    await expect.poll(() => figure('tokens'), patiently).toBe(before + 1);
    await expect
      .poll(() => page.locator('#response-line').innerText(), patiently)
      .toContain('refreshed early');
    expect(await figure('failed')).toBe(0);
    await page.click('#stream');
  });

  it('stores nothing in the browser that a script could read', async () => {
    const held = await page.evaluate(async () => ({
      cookie: document.cookie,
      local: Object.entries(localStorage),
      session: Object.entries(sessionStorage),
      databases: await indexedDB.databases(),
      caches: await caches.keys(),
    }));
    expect(held).toEqual({ cookie: '', local: [], session: [], databases: [], caches: [] });
    const cookies = (await context.cookies(demo.url)).filter(({ name }) => name.startsWith('coatcheck'));
    expect(cookies).toMatchObject([
      { name: 'coatcheck', httpOnly: true, sameSite: 'Strict', path: '/', expires: -1 },
    ]);
  });

  it('has targets of at least 44 pixels on a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const sizes = await page.evaluate(() =>
      Array.from(document.querySelectorAll('button, input, a'), (each) => each.getBoundingClientRect())
        .filter(({ width }) => width > 0)
        .map(({ width, height }) => Math.min(width, height)),
    );
    expect(sizes.length).toBeGreaterThan(5);
    expect(sizes.filter((size) => size < 44)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  it('signs the user out at the gateway and the provider and closes the WebSocket', async () => {
    await expect.poll(() => page.locator('#live').getAttribute('data-state')).toBe('open');
    const other = await context.newPage();
    await other.goto(demo.url);
    await other.waitForSelector('#name:has-text("Ada")');
    const loggedOutAtProvider = page.waitForRequest((request) => request.url().includes('/session/end'));
    await page.click('#sign-out');
    await loggedOutAtProvider;
    await page.waitForSelector('#welcome:not([hidden])');
    await other.waitForSelector('#notice:has-text("You have signed out in another tab.")');
    expect(await other.locator('body').textContent()).not.toContain('Ada');
    await other.close();
    expect(await context.cookies(demo.url)).not.toContainEqual(
      expect.objectContaining({ name: 'coatcheck' }),
    );

    await page.click('#sign-in');
    await page.waitForSelector('text=Who is signing in?');
  });

  it('sends no token to the browser in any byte of any response', async () => {
    await Promise.all(reads);
    const tokens = recorder.tokens();
    expect(tokens.length).toBeGreaterThan(6);
    const everything = received.join('\n');
    expect(everything.length).toBeGreaterThan(10_000);
    expect(tokens.filter((token) => everything.includes(token))).toEqual([]);
    // The redirect of a sign-out carries the ID token to the provider; no script can read it.
    expect(jwt.exec(everything.replace(/(\/session\/end\?\S*?\bid_token_hint=)[\w.-]+/g, '$1'))).toBeNull();
  });

  it('logs no warning during the whole flow', () => {
    expect(troubles.filter((text) => !text.startsWith('sessions are stored in memory'))).toEqual([]);
  });
});
