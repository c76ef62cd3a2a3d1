import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Demo, startDemo } from '../../demo/demo.ts';
import { isTrouble } from '../../demo/log-line.ts';
import { startChromium } from '../../testkit/chromium.ts';
import { type TokenRecorder, recordTokens } from '../../testkit/token-recorder.ts';

/** Anything with the shape of a JSON Web Token. */
const jwt = /eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/;

describe('the main job in a browser, against a provider with one-time refresh tokens', () => {
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

  it('shows a stranger in: no session, and an API call that is refused without asking the API', async () => {
    await page.goto(demo.url);
    await page.click('#call-anonymously');
    await expect.poll(() => page.locator('#anonymous-answer').innerText()).toContain('session_required');
  });

  it('signs a person in at the provider and brings them back to the app', async () => {
    await page.click('#sign-in');
    await page.click('button[value="ada"], button:has-text("Ada")');
    await page.waitForSelector('#desk:not([hidden])');
    expect(page.url()).toBe(`${demo.url}/`);
    await expect.poll(() => page.locator('#answer-line').innerText()).toContain('200 GET /api/me');
  });

  it('is still signed in after a reload', async () => {
    await page.reload();
    await page.waitForSelector('#desk:not([hidden])');
  });

  it('renews tokens under a running stream of calls without one failing', { timeout: 90_000 }, async () => {
    await page.click('#stream');
    await expect.poll(() => figure('tokens'), { timeout: 70_000 }).toBeGreaterThanOrEqual(3);
    expect(await figure('failed')).toBe(0);
    expect(await figure('calls')).toBeGreaterThan(100);
  });

  it('goes on when the API rejects the current token early', async () => {
    const before = await figure('tokens');
    await page.click('#reject');
    await expect.poll(() => figure('tokens')).toBe(before + 1);
    await expect.poll(() => page.locator('#answer-line').innerText()).toContain('renewed early');
    expect(await figure('failed')).toBe(0);
    await page.click('#stream');
  });

  it('leaves nothing in the browser that a script could read', async () => {
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

  it('signs the person out here and at the provider, and closes the socket', async () => {
    await expect.poll(() => page.locator('#live').getAttribute('data-state')).toBe('open');
    const loggedOutAtProvider = page.waitForRequest((request) => request.url().includes('/session/end'));
    await page.click('#sign-out');
    await loggedOutAtProvider;
    await page.waitForSelector('#welcome:not([hidden])');
    expect(await context.cookies(demo.url)).not.toContainEqual(
      expect.objectContaining({ name: 'coatcheck' }),
    );

    await page.click('#sign-in');
    await page.waitForSelector('text=Who is signing in?');
  });

  it('never gave the browser a token, in any byte of it', async () => {
    await Promise.all(reads);
    const tokens = recorder.tokens();
    expect(tokens.length).toBeGreaterThan(6);
    const everything = received.join('\n');
    expect(everything.length).toBeGreaterThan(10_000);
    expect(tokens.filter((token) => everything.includes(token))).toEqual([]);
    expect(jwt.exec(everything)).toBeNull();
  });

  it('had nothing to warn of', () => {
    expect(troubles.filter((text) => !text.startsWith('sessions are kept in memory'))).toEqual([]);
  });
});
