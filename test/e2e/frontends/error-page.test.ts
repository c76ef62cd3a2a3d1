import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page, Response } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startChromium } from '../../../testkit/browsers/chromium.ts';
import { startFirefox } from '../../../testkit/browsers/firefox.ts';
import { findFaintTexts, findSmallTargets } from '../../../testkit/browsers/legibility.ts';
import { APP, openShop, type Shop } from '../support/shop.ts';

/** A host that leads to the gateway, which does not serve it. */
const WRONG_HOST = 'wrong.shop.test';
const WORDS = 'words-of-the-provider';

/** What each page says and where its link leads once the person has followed it. */
const pages = [
  [
    'a stale callback',
    `${APP}/auth/callback?code=x&state=y`,
    400,
    'This sign-in is over',
    'Sign in',
    `${APP}/`,
  ],
  [
    'a consent that was denied in another browser',
    `${APP}/auth/callback?error=access_denied&error_description=${WORDS}&state=y`,
    400,
    'This sign-in is over',
    'Sign in',
    `${APP}/`,
  ],
  [
    'the sign-out',
    `${APP}/auth/logout`,
    405,
    'This address cannot be opened',
    'Go to the application',
    `${APP}/`,
  ],
  ['an API path', `${APP}/api/one?a=1`, 401, 'Sign in first', 'Sign in', `${APP}/`],
  ['a wrong host', `https://${WRONG_HOST}/`, 421, 'Wrong address', 'Go to the application', `${APP}/`],
] as const;

let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

beforeEach(() => {
  shop.reset();
  shop.provider.patchAuthorizationResponse = undefined;
});

afterAll(() => shop?.close());

const hosts = () => ({ ...shop.hosts, [WRONG_HOST]: shop.front.port });

describe('the error page in Chromium', () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await startChromium(hosts());
  });

  beforeEach(async () => {
    context = await browser.newContext({ ignoreHTTPSErrors: true });
    page = await context.newPage();
    complaints.length = 0;
    page.on('console', (message) => complaints.push(message.text()));
  });

  afterEach(() => context.close());
  afterAll(() => browser?.close());

  async function open(url: string): Promise<Response> {
    const response = await page.goto(url);
    if (response === null) throw new Error(`there is no response to ${url}`);
    return response;
  }

  it.each(pages)(
    'says what happened at %s, and its link leads on',
    async (_what, url, status, title, link, to) => {
      const response = await open(url);
      const headers = await response.allHeaders();
      expect(response.status()).toBe(status);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
      });
      expect(await page.title()).toBe(title);
      expect(await page.locator('html').getAttribute('lang')).toBe('en');
      const main = page.getByRole('main');
      expect(await main.getByRole('heading', { level: 1 }).innerText()).toBe(title);
      expect(await main.locator('code').innerText()).toBe(headers['x-request-id']);
      expect(await page.content()).not.toMatch(new RegExp(`<script|${WORDS}`, 'i'));
      // The browser logs every 4xx; it would log a violation of the policy as well.
      expect(complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);

      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(link);
      expect(await page.getByRole('link').allInnerTexts()).toEqual([link]);
      await page.keyboard.press('Enter');
      await page.waitForURL(to);
      expect(await page.title()).toBe('app');
    },
  );

  it('leads to the app instead where the sign-in is known, without a word of the provider', async () => {
    shop.provider.patchAuthorizationResponse = ({ code: _code, ...rest }) => ({
      ...rest,
      error: 'access_denied',
      error_description: WORDS,
    });
    await page.goto(`${APP}/auth/login?returnTo=/inbox`);
    expect(page.url()).toMatch(
      new RegExp(`^${APP}/inbox\\?auth_error=access_denied&auth_request_id=[\\w-]{36}$`),
    );
    expect(await page.title()).toBe('app');
  });

  it('runs no script, even one that is written into it', async () => {
    await open(`${APP}/auth/nowhere`);
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      return 'ran' in window;
    });
    expect(ran).toBe(false);
    expect(complaints.join('\n')).toMatch(/Content Security Policy/);
  });

  it.each(['light', 'dark'] as const)(
    'is legible in %s and fits a small phone, with a target of at least 44 pixels',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 320, height: 568 });
      for (const [, url] of pages) {
        await page.goto(url);
        expect(await page.evaluate(findFaintTexts)).toEqual([]);
        expect(await page.evaluate(findSmallTargets)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
      }
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(background).toBe({ light: 'rgb(244, 245, 247)', dark: 'rgb(13, 17, 23)' }[colorScheme]);
    },
  );
});

describe('the error page in Firefox', () => {
  it('says what happened, and its link leads on', async () => {
    const browser = await startFirefox(hosts());
    for (const [, url, , title, link, to] of pages) {
      const context = await browser.newContext();
      const page = await context.openPage(url);
      const shown = await page.evaluate(() => ({
        title: document.title,
        heading: document.querySelector('main h1')?.textContent,
        links: Array.from(document.links, ({ textContent }) => textContent),
        scripts: document.scripts.length,
        overflow: document.documentElement.scrollWidth - innerWidth,
      }));
      expect(shown).toEqual({ title, heading: title, links: [link], scripts: 0, overflow: 0 });
      const requestId = await page.evaluate(() => document.querySelector('code')?.textContent);
      expect(shop.gateway.logs()).toContain(requestId);
      expect(await page.evaluate(findFaintTexts)).toEqual([]);
      await page.navigateBy(to, () => document.links[0]?.click(), undefined);
      await context.close();
    }
    await browser.close();
  });
});

describe('login.errorPage in Chromium', () => {
  it('shows the page of the operator, with escaped values and without scripts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coatcheck-error-page-'));
    const errorPage = join(folder, 'error.html');
    await writeFile(
      errorPage,
      `<!doctype html><html lang="de"><title>{{title}}</title><main data-detail='{{detail}}'><h1>{{title}}</h1>
       <a href="{{retryUrl}}">Noch einmal</a><i>{{requestId}}</i></main><script>document.title = 'script'</script>`,
    );
    const routes = [{ path: '/api', upstream: 'http://127.0.0.1:1', auth: 'none' }];
    const other = await openShop({ config: { login: { errorPage }, routes } });
    const browser = await startChromium(other.hosts);
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const { href } = new URL(`/api/one?a='"><img src=x onerror=alert(1)>&b={{title}}`, APP);
    const response = await page.goto(href);
    expect(response?.status()).toBe(502);
    expect(await page.title()).toBe('Not available at the moment');
    expect(await page.locator('main').getAttribute('data-detail')).toContain('Try again in a minute.');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('i').innerText()).toBe(response?.headers()['x-request-id']);
    const again = page.waitForResponse((next) => next.url() === href);
    await page.click('a');
    expect((await again).status()).toBe(502);
    await browser.close();
    await other.close();
    await rm(folder, { recursive: true, force: true });
  });
});
