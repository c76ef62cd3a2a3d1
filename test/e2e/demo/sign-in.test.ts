import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Demo, startDemo } from '../../../demo/demo.ts';
import { startChromium } from '../../../testkit/browsers/chromium.ts';
import { findFaintTexts, findSmallTargets } from '../../../testkit/browsers/legibility.ts';

/** A sign-in is fresh for 20 seconds, and a demo on a busy machine takes its time. */
const patiently = { timeout: 40_000 };

let demo: Demo;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const messages: string[] = [];

beforeAll(async () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  demo = await startDemo({ root, port: 0, onLog: ({ message }) => messages.push(message) });
  browser = await startChromium();
  context = await browser.newContext();
  page = await context.newPage();
});

afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

const notice = () => page.locator('#notice').innerText();
const signInAs = (name: string) => page.click(`button:has-text("${name}")`);

/** Asks for the diary until the sign-in is too old for it. */
async function waitUntilDiaryNeedsSignIn(): Promise<void> {
  await expect
    .poll(async () => {
      await page.click('#diary');
      await page.waitForSelector('#response-line:has-text("GET /api/diary")');
      return page.locator('#response-line').innerText();
    }, patiently)
    .toContain('401');
  await page.waitForSelector('#notice:has-text("This call needs a fresh sign-in.")');
}

describe('a sign-in that fails in the demo', () => {
  it('with prompt=none shows login_required and leaves a clean address', async () => {
    await page.goto(demo.url);
    await page.click('#fail');
    await page.waitForSelector('#notice:not([hidden])');
    expect(await notice()).toContain('The provider requires you to sign in.');
    expect(await notice()).toMatch(/\/\?auth_error=login_required&auth_request_id=[\w-]{36}/);
    expect(page.url()).toBe(`${demo.url}/`);
    expect(messages).toContain('login failed: authorization response from the server is an error');
  });

  it('that the visitor cancels shows access_denied, and can be tried again', async () => {
    await page.click('#notice button');
    await page.click('button:has-text("Cancel")');
    await page.waitForSelector('#notice:not([hidden])');
    expect(await notice()).toContain('You declined to sign in.');
    expect(await notice()).toContain('auth_error=access_denied');
    await page.click('#notice button');
    await signInAs('Ada');
    await page.waitForSelector('#name:has-text("Ada")');
    expect(await page.locator('#notice').isVisible()).toBe(false);
  });
});

describe('a call in the demo that needs a fresh sign-in', () => {
  it('asks for one, and keeps the session when somebody else signs in', async () => {
    await waitUntilDiaryNeedsSignIn();
    expect(await notice()).toContain('{"maxAge":20}');
    await page.click('#notice button');
    await signInAs('Grace');
    await page.waitForSelector('#notice:has-text("auth_error=step_up_unmet")');
    expect(await page.locator('#name').innerText()).toBe('Ada Lovelace');
    await page.waitForSelector('#response-line:has-text("200 GET /api/me")');
    expect(page.url()).toBe(`${demo.url}/`);
  });

  it('succeeds after the same user has signed in', async () => {
    await waitUntilDiaryNeedsSignIn();
    await page.click('#notice button');
    await signInAs('Ada');
    await page.waitForSelector('#response-line:has-text("200 GET /api/diary")');
    expect(await page.locator('#failed').innerText()).toBe('0');
    expect(page.url()).toBe(`${demo.url}/`);
  });
});

describe('the admin console of the demo', () => {
  it('takes the admin token that the demo prints', async () => {
    const console = await context.newPage();
    await console.goto(demo.adminUrl);
    await console.getByLabel('Admin token').fill(demo.adminToken);
    await console.getByLabel('Subject, e-mail or name').fill('ada');
    await console.getByRole('button', { name: 'Search' }).click();
    await console.waitForSelector('#outcome:has-text("one session of ada")');
    await console.close();
  });
});

describe('the pages of the demo', () => {
  it('can be used with the keyboard alone', async () => {
    const other = await browser.newContext();
    const visitor = await other.newPage();
    await visitor.goto(demo.url);
    await visitor.waitForSelector('#sign-in:not([hidden])');
    const focused = () => visitor.evaluate(() => document.activeElement?.textContent?.trim());
    await visitor.keyboard.press('Tab');
    expect(await focused()).toBe('Sign in');
    expect(
      await visitor.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle),
    ).toBe('solid');
    await visitor.keyboard.press('Enter');
    await visitor.waitForSelector('text=Who is signing in?');
    await visitor.keyboard.press('Tab');
    expect(await focused()).toContain('Ada Lovelace');
    await visitor.keyboard.press('Enter');
    await visitor.waitForSelector('#name:has-text("Ada")');
    await visitor.keyboard.press('Tab');
    expect(await focused()).toBe('Sign out');
    await visitor.keyboard.press('Enter');
    await visitor.waitForSelector('#welcome:not([hidden])');
    await other.close();
  });

  it.each(['light', 'dark'] as const)(
    'are legible in %s, and fit a phone with targets of at least 44 pixels',
    async (colorScheme) => {
      const other = await browser.newContext({ colorScheme, viewport: { width: 360, height: 740 } });
      const visitor = await other.newPage();
      const inspect = async () => ({
        faint: await visitor.evaluate(findFaintTexts),
        small: await visitor.evaluate(findSmallTargets),
        overflow: await visitor.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      });
      const good = { faint: [], small: [], overflow: 0 };
      await visitor.goto(demo.url);
      await visitor.click('#fail');
      await visitor.waitForSelector('#notice:not([hidden])');
      expect(await inspect()).toEqual(good);
      await visitor.click('#sign-in');
      await visitor.waitForSelector('text=Who is signing in?');
      expect(await inspect()).toEqual(good);
      await visitor.click('button:has-text("Ada")');
      await visitor.waitForSelector('#response-line:has-text("200")');
      expect(await inspect()).toEqual(good);
      await other.close();
    },
  );
});
